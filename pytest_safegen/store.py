"""Results on disk: results.jsonl as they come, heatmaps, results.json and gate.json at the end."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pytest_safegen.errors import SafegenError
from pytest_safegen.model import Finding, Heatmap, Measure, Run, Verdict
from pytest_safegen.whole_files import appearing, write_json

SCHEMA = 1
RESULTS, ROWS, RUN, GATE = "results.jsonl", "scans.jsonl", "results.json", "gate.json"
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
RUN_SCHEMA_FILE = Path(__file__).with_name("run.schema.json")
COMMENT_EXTENSION = 6
NUMBERS = ("score", "threshold", "p_value", "seconds")


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding as the object that stands on one line of results.jsonl."""
    plain = dataclasses.asdict(finding)
    plain["measures"] = {
        m.name: {"value": float(m.value), "unit": m.unit} for m in finding.measures
    }
    return {"schema": SCHEMA, **plain, "verdict": str(finding.verdict)}


def finding_from_json(plain: Mapping[str, Any]) -> Finding:
    """The finding of one line of results.jsonl.

    Raises:
        SafegenError: a line of another schema, or not a finding at all.
    """
    try:
        if plain["schema"] != SCHEMA:
            raise SafegenError(f"Results of schema {plain['schema']!r} cannot be read by this one.")
        names = [field.name for field in dataclasses.fields(Finding)]
        values = {name: plain[name] for name in names}
        measures = values["measures"].items()
        values["measures"] = tuple(Measure(n, _number(m["value"]), m["unit"]) for n, m in measures)
        values["layers"] = {name: _text(path) for name, path in values["layers"].items()}
        values["verdict"] = Verdict(plain["verdict"])
        values |= {name: _number(values[name]) for name in NUMBERS if values[name] is not None}
        return Finding(**values)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise SafegenError(f"A line of the results is not a finding: {problem!r}.") from problem


class ResultLog:
    """Appends findings and rows of the table of scans, each on disk as soon as it is known."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._findings: IO[str] = (folder / RESULTS).open("w", encoding="utf-8")
        self._rows: IO[str] = (folder / ROWS).open("w", encoding="utf-8")

    def add(self, finding: Finding) -> None:
        """Write one finding and flush it."""
        _append(self._findings, finding_to_json(finding))

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Write one row of the table of scans and flush it."""
        _append(self._rows, row)

    def close(self) -> None:
        """Close both files."""
        self._findings.close()
        self._rows.close()


def read_findings(folder: Path) -> Iterator[Finding]:
    """The findings of a report folder, in the order in which they came."""
    for plain in _lines(folder / RESULTS):
        yield finding_from_json(plain)


def save_heatmap(heatmap: Heatmap, folder: Path, finding: Finding) -> Finding:
    """Write a heatmap under `folder/heatmaps` as NIfTI; the finding with its relative path."""
    name = f"heatmaps/{_stem(finding)}.nii.gz"
    _write_map(heatmap, folder / name)
    return dataclasses.replace(finding, heatmap=name)


def save_layer(layer: Heatmap, folder: Path, finding: Finding) -> Finding:
    """Write a named map that explains a finding beside its heatmap; the finding with its path."""
    name = f"heatmaps/{_stem(finding)}.{_file_word(layer.name)}.nii.gz"
    _write_map(layer, folder / name)
    return dataclasses.replace(finding, layers={**finding.layers, layer.name: name})


def load_heatmap(path: Path) -> Heatmap:
    """The map that `save_heatmap` or `save_layer` wrote."""
    import nibabel as nib
    import numpy as np

    image = nib.load(path)
    comments = [e for e in image.header.extensions if e.get_code() == COMMENT_EXTENSION]
    facts = json.loads(_content(comments[0])) if comments else {}
    return Heatmap(
        np.asarray(image.dataobj, dtype=np.float32),
        image.affine,
        str(facts.get("meaning", "")),
        float(facts.get("ceiling", 3.0)),
        str(facts.get("of", "")),
        str(facts.get("name", "")),
    )


def run_to_json(run: Run) -> dict[str, Any]:
    """A run as the object of results.json, without its findings."""
    plain = dataclasses.asdict(dataclasses.replace(run, findings=()))
    return {key: value for key, value in plain.items() if key != "findings"}


def run_from_json(plain: Mapping[str, Any], findings: Iterable[Finding]) -> Run:
    """The run of such an object, with these findings.

    Raises:
        SafegenError: a run of another schema.
        ValueError, KeyError, TypeError: no run at all.
    """
    if plain["schema"] != SCHEMA:
        raise SafegenError(f"A run of schema {plain['schema']!r} cannot be read by this one.")
    values = dict(plain) | {"findings": tuple(findings), "verdict": Verdict(plain["verdict"])}
    values["reasons"], values["roots"] = tuple(plain["reasons"]), tuple(plain["roots"])
    return Run(**values)


def save_run(run: Run, folder: Path) -> None:
    """Write results.json, everything of the run, and gate.json, what a release job needs."""
    from pytest_safegen.gate_file import save_gate

    findings = [finding_to_json(finding) for finding in run.findings]
    write_json(folder / RUN, run_to_json(run) | {"findings": findings})
    save_gate(run, folder)


def load_run(folder: Path) -> Run:
    """The run that results.json holds, with the findings of results.jsonl.

    Raises:
        SafegenError: the folder holds no finished run.
    """
    try:
        return run_from_json(json.loads((folder / RUN).read_bytes()), read_findings(folder))
    except OSError as problem:
        raise SafegenError(
            f"{folder} holds no finished run ({problem.filename} cannot be read)."
        ) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise SafegenError(
            f"{folder / RUN} is not a run of this version: {problem!r}."
        ) from problem


def _stem(finding: Finding) -> str:
    target = finding.target.encode(errors="surrogatepass")  # file names can be any bytes
    digest = hashlib.blake2b(target, digest_size=4).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", finding.target)[-80:].strip("-")
    return f"{slug}-{digest}-{_file_word(finding.check)}"


def _file_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)


def _write_map(heatmap: Heatmap, path: Path) -> None:
    import nibabel as nib
    import numpy as np

    words = ("meaning", "ceiling", "of", "name")
    facts = {word: getattr(heatmap, word) for word in words}
    image = nib.Nifti1Image(np.asarray(heatmap.values, dtype=np.float32), heatmap.affine)
    image.header["cal_min"], image.header["cal_max"] = 0.0, heatmap.ceiling
    image.header.set_xyzt_units("mm")
    comment = json.dumps(facts).encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT_EXTENSION, comment))
    with appearing(path) as partial:
        nib.save(image, partial)


def _append(stream: IO[str], value: Mapping[str, Any]) -> None:
    stream.write(json.dumps(value, allow_nan=False) + "\n")
    stream.flush()


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield json.loads(line, parse_constant=_refuse_constant)
            except ValueError as problem:
                raise SafegenError(f"Line {number} of {path} is not JSON.") from problem


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _content(extension: Any) -> str:
    raw = extension.get_content()
    text = raw.decode() if isinstance(raw, bytes) else str(raw)
    return text.rstrip("\0")
