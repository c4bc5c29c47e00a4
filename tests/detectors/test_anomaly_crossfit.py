"""What the network methods share: folds by patient, weights without pickle, batches that fit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from safetensors.numpy import load_file, save_file
from torch import nn

from pytest_safegen import UsageProblem
from safegen_detectors.anomaly.methods.base import Reading
from safegen_detectors.anomaly.methods.crossfit import (
    FoldResult,
    arrays_by_fold,
    cross_fit,
    folds_of,
    mean_reading,
)
from safegen_detectors.anomaly.methods.training import (
    Budget,
    halve_until_it_fits,
    map_in_batches,
    seeded,
    train,
    trains_in_low_precision,
)
from safegen_detectors.anomaly.methods.weights import (
    module_from_arrays,
    read_safetensors,
    state_to_arrays,
)
from safegen_detectors.anomaly.reference.types import Sample

pytestmark = pytest.mark.slow

VOLUME = np.zeros((2, 2, 2), dtype=np.float32)
PATIENTS = ["a", "b", "c", "d", "e", "c", "a"]

patients = st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=30).filter(
    lambda names: len(set(names)) >= 4
)


def samples_of(names: Sequence[str]) -> list[Sample]:
    return [Sample(name, VOLUME, VOLUME > 0, VOLUME, np.eye(4), 1.0) for name in names]


def name_and_fold(train: Sequence[Sample], unseen: Sequence[Sample], seed: int) -> FoldResult:
    """Remembers the patients that it read, as the statistics of each."""
    seen = np.array([ord(sample.patient) for sample in train])
    return FoldResult(
        {"seen": seen}, [{"patient": float(ord(s.patient))} for s in unseen], {"seed": seed}
    )


@given(patients, st.integers(2, 4), st.integers(0, 99))
def test_a_patient_is_never_on_both_sides_of_a_fold(
    names: list[str], count: int, seed: int
) -> None:
    for fold in folds_of(names, count=count, seed=seed):
        assert {names[n] for n in fold.train} & {names[n] for n in fold.held_out} == set()


@given(patients, st.integers(2, 4))
def test_every_sample_is_held_out_once(names: list[str], count: int) -> None:
    held_out = [n for fold in folds_of(names, count=count, seed=0) for n in fold.held_out]

    assert sorted(held_out) == list(range(len(names)))


def test_a_seed_gives_the_same_folds() -> None:
    assert folds_of(PATIENTS, count=2, seed=3) == folds_of(PATIENTS, count=2, seed=3)


def test_fewer_patients_than_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 2 patients"):
        folds_of(["a", "b", "a"], count=3, seed=0)


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="2 folds"):
        folds_of(PATIENTS, count=1, seed=0)


def test_held_out_statistics_come_in_the_order_of_the_samples() -> None:
    learned = cross_fit(samples_of(PATIENTS), name_and_fold, count=2, seed=0)

    assert [chr(int(s["patient"])) for s in learned.held_out] == PATIENTS


def test_the_arrays_of_each_fold_come_back_under_their_names() -> None:
    learned = cross_fit(samples_of(PATIENTS), name_and_fold, count=2, seed=0)

    seen = [{chr(n) for n in arrays["seen"]} for arrays in arrays_by_fold(learned)]
    assert seen[0] | seen[1] == set(PATIENTS)
    assert seen[0] & seen[1] == set()


def test_readings_are_averaged() -> None:
    one, other = (Reading({"s": n}, torch.full((2, 2, 2), n)) for n in (1.0, 3.0))

    mean = mean_reading([one, other])

    assert mean.statistics == {"s": 2.0}
    assert mean.map is not None
    assert bool((mean.map == 2).all())


def test_readings_without_a_map_have_none_together() -> None:
    assert mean_reading([Reading({"s": 1.0}), Reading({"s": 2.0})]).map is None


def test_weights_survive_a_safetensors_file(tmp_path: Path) -> None:
    module, path = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), tmp_path / "w.safetensors"
    save_file(state_to_arrays(module, "net/", half=False), path)

    again = module_from_arrays(
        lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), load_file(path), "net/"
    )

    x = torch.ones(4, 3)
    torch.testing.assert_close(again(x), module.eval()(x))


def test_half_weights_stay_finite() -> None:
    module = nn.Linear(1, 1)
    nn.init.constant_(module.weight, 1e6)

    assert np.isfinite(state_to_arrays(module)["weight"]).all()


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        module_from_arrays(lambda: nn.Linear(3, 2), state_to_arrays(nn.Linear(2, 2)))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(nn.Linear(1, 1).state_dict(), path)

    with pytest.raises(UsageProblem, match=r"must be a \.safetensors file"):
        read_safetensors(path)


def test_pickled_weights_under_another_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save(nn.Linear(1, 1).state_dict(), path)

    with pytest.raises(UsageProblem, match="cannot be read"):
        read_safetensors(path)


def test_missing_weights_are_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        read_safetensors(tmp_path / "none.safetensors")


def fits(most: int):
    """Work for which a card has room for `most` things at once."""

    def work(items: Sequence[int]) -> list[int]:
        if len(items) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return list(items)

    return work


@pytest.mark.parametrize("most", [1, 2, 3, 7, 20])
def test_batches_are_halved_until_they_fit(most: int) -> None:
    batches = map_in_batches(fits(most), range(13), 8)

    assert [n for batch in batches for n in batch] == list(range(13))
    assert max(map(len, batches)) <= most


def test_the_size_that_fits_is_kept() -> None:
    work = fits(3)
    assert halve_until_it_fits(lambda n: work(range(n)), 16) == ([0, 1], 2)


def test_one_thing_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.cuda.OutOfMemoryError):
        map_in_batches(fits(0), range(3), 2)


def test_training_goes_on_with_half_the_batch() -> None:
    module, sizes = nn.Linear(1, 1), []

    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        sizes.append(n)
        if n > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return module(torch.ones(n, 1)).square().mean()

    assert train(module, loss, Budget(steps=3, batch=8), seed=0, device="cpu") == 3
    assert sizes == [8, 4, 2, 2, 2]


def test_a_limit_of_seconds_ends_training_early() -> None:
    module = nn.Linear(1, 1)

    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        return module(torch.rand(n, 1, generator=random)).mean()

    done = train(module, loss, Budget(10**6, 1, seconds=0.05), seed=0, device="cpu")

    assert 0 < done < 10**6


def test_seeding_leaves_the_global_randomness_alone() -> None:
    before = torch.random.get_rng_state()
    with seeded(5, "cpu"):
        one = torch.rand(3)
    with seeded(5, "cpu"):
        other = torch.rand(3)

    assert torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("shortest", "safe"), [(1, False), (2, False), (3, True)])
def test_short_floats_on_processors_need_three_voxels(shortest: int, *, safe: bool) -> None:
    assert trains_in_low_precision("cpu", shortest) == safe
    assert trains_in_low_precision("cuda", shortest)


def test_threads_do_not_disturb_each_others_randomness() -> None:
    def numbers(seed: int) -> list[float]:
        with seeded(seed, "cpu"):
            return [float(torch.rand(1)) for _ in range(300)]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(numbers, [1, 2, 1, 2, 1, 2, 1, 2]))

    assert found == [numbers(1), numbers(2)] * 4
