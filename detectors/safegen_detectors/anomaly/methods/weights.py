"""Store network weights as arrays, and read safetensors files; never pickle, which runs code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_safegen.api import UsageProblem

Module = TypeVar("Module", bound=nn.Module)

HALF_LIMIT = 65504.0  # the largest number that float16 holds


def state_to_arrays(
    module: nn.Module, prefix: str = "", *, half: bool = True
) -> dict[str, NDArray[Any]]:
    """The state of a module, "<prefix><key>" to array; floats as float16, else as float32."""
    kind = torch.float16 if half else torch.float32
    return {f"{prefix}{key}": _array(value, kind) for key, value in module.state_dict().items()}


def module_from_arrays(
    build: Callable[[], Module], arrays: Mapping[str, NDArray[Any]], prefix: str = ""
) -> Module:
    """The module that `build` makes, its state set from the arrays below the prefix.

    Nothing random happens: the module is built without memory, and the arrays become its own.

    Raises:
        ValueError: the arrays are not those of such a module.
    """
    with torch.device("meta"):
        module = build()
    state = {
        name.removeprefix(prefix): _tensor(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise ValueError(f"the stored weights do not fit the network: {error}") from error
    return module.eval()


def read_safetensors(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file.

    Raises:
        UsageProblem: the file is of another kind, missing or broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if Path(path).suffix != ".safetensors":
        raise UsageProblem(
            f"weights must be a .safetensors file, not {path}: other formats can run code when"
            " they are opened. Save the state with safetensors.torch.save_file."
        )
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UsageProblem(f"the weights in {path} cannot be read: {error}") from error


def _array(value: torch.Tensor, kind: torch.dtype) -> NDArray[Any]:
    value = value.detach().cpu()
    if value.is_floating_point():
        value = value.float().clamp(-HALF_LIMIT, HALF_LIMIT).to(kind)
    return np.ascontiguousarray(value.contiguous().numpy())


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    tensor = torch.tensor(np.asarray(array))
    return tensor.float() if tensor.is_floating_point() else tensor
