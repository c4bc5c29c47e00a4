"""Results on disk say what was found, are complete or not there, and refuse what is no result."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen.core.atomic_io import write_json
from pytest_safegen.core.codec import (
    decode_finding,
    encode_finding,
    finding_from_builtins,
    finding_schema,
    finding_to_builtins,
)
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.score import Heatmap, Measure
from pytest_safegen.judging.heatmaps import load_heatmap, save_heatmap, save_layer
from pytest_safegen.results.files import (
    GATE_FILE,
    RESULTS_FILE,
    ROWS_FILE,
    RUN_FILE,
    ResultLog,
    load_run,
    read_findings,
)
from pytest_safegen.results.gate_json import save_run

PLAIN = Finding("anomaly", "sub-01/a.nii.gz", Verdict.FAIL, "Too bright.", 3.0, 2.0, 0.1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(min_size=1)
findings = st.builds(
    Finding,
    check=texts,
    target=st.text(),
    verdict=st.sampled_from(Verdict),
    reason=texts,
    score=st.none() | numbers,
    threshold=st.none() | numbers,
    p_value=st.none() | st.floats(0.001, 1),
    measures=st.lists(
        st.builds(Measure, texts, numbers, st.text()), max_size=3, unique_by=lambda m: m.name
    ).map(tuple),
    heatmap=st.none() | texts,
    layers=st.dictionaries(texts, texts, max_size=3),
    nearest=st.none() | texts,
    seconds=st.floats(0, 1e6),
)


def run_of(*found: Finding, **known: Any) -> Run:
    plain: dict[str, Any] = {
        "id": "r1",
        "created": "2026-01-01",
        "verdict": Verdict.FAIL,
        "reasons": ("1 FAIL",),
        "roots": ("synthetic",),
        "mode": "enforce",
        "counts": {"discovered": 1},
    }
    return Run(findings=found, **(plain | known))


def finished(folder: Path, *found: Finding) -> Run:
    log = ResultLog(folder)
    for finding in found:
        log.add(finding)
    log.close()
    run = run_of(*found)
    save_run(run, folder)
    return run


def heatmap_of(shape: tuple[int, ...] = (3, 4, 5)) -> Heatmap:
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    affine = np.array([[-2, 0, 0, 9], [0, 0, 3, 8], [0, 1.5, 0, 7], [0, 0, 0, 1.0]])
    return Heatmap(values, affine, "how far off, “in units” of é", 4.5, "sub-01/b.nii.gz")


@given(findings)
def test_a_finding_comes_back_from_json_as_it_was(finding: Finding) -> None:
    assert decode_finding(encode_finding(finding)) == finding


@given(findings)
def test_every_finding_keeps_to_the_schema(finding: Finding) -> None:
    jsonschema.Draft202012Validator(finding_schema()).validate(json.loads(encode_finding(finding)))


@pytest.mark.parametrize("number", [np.float32(0.5), np.int64(1), True, 1])
def test_a_measure_of_another_number_type_is_a_number_in_json(number: Any) -> None:
    finding = replace(PLAIN, measures=(Measure("size", number),))
    assert type(finding_to_builtins(finding)["measures"]["size"]["value"]) is float


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_not_written(tmp_path: Path, value: float) -> None:
    log = ResultLog(tmp_path)
    with pytest.raises(ValueError, match="JSON compliant"):
        log.add(replace(PLAIN, score=value))
    log.close()
    assert (tmp_path / RESULTS_FILE).read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": "1"},
        {"verdict": "GREEN"},
        {"verdict": []},
        {"measures": 3},
        {"measures": {"size": 3}},
        {"measures": {"size": {"value": "3", "unit": "mm"}}},
        {"measures": {"size": {"value": None, "unit": "mm"}}},
        {"score": "high"},
        {"score": True},
        {"p_value": []},
        {"seconds": {}},
        {"layers": []},
        {"layers": None},
        {"layers": {"shap": 3}},
        {"more": 1},
    ],
)
def test_what_is_no_finding_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SafegenError):
        finding_from_builtins(finding_to_builtins(PLAIN) | change)


@pytest.mark.parametrize("field", list(finding_to_builtins(PLAIN)))
def test_a_finding_without_one_of_its_fields_is_refused(field: str) -> None:
    plain = finding_to_builtins(PLAIN)
    del plain[field]
    with pytest.raises(SafegenError):
        finding_from_builtins(plain)


def test_a_finding_is_on_disk_before_the_next_comes(tmp_path: Path) -> None:
    log = ResultLog(tmp_path)
    log.add(PLAIN)
    before = list(read_findings(tmp_path))
    log.close()
    assert before == [PLAIN]


def test_a_row_is_on_disk_before_the_next_comes(tmp_path: Path) -> None:
    log = ResultLog(tmp_path)
    log.add_row({"target": "a"})
    before = (tmp_path / ROWS_FILE).read_text(encoding="utf-8")
    log.close()
    assert json.loads(before) == {"target": "a"}


def test_findings_come_back_in_order(tmp_path: Path) -> None:
    some = [replace(PLAIN, target=name) for name in "cab"]
    finished(tmp_path, *some)
    assert [finding.target for finding in read_findings(tmp_path)] == ["c", "a", "b"]


@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", 'a"b', "a\udcffb", "<script>", "é"])
def test_any_text_stays_on_its_line(tmp_path: Path, text: str) -> None:
    finished(tmp_path, replace(PLAIN, target=text), PLAIN)
    assert [finding.target for finding in read_findings(tmp_path)] == [text, PLAIN.target]


@pytest.mark.parametrize("line", [b"{", b"", b"\xff", b'{"score": NaN}', b"nonsense"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    good = json.dumps(finding_to_builtins(PLAIN)).encode()
    (tmp_path / RESULTS_FILE).write_bytes(good + b"\n" + line + b"\n")
    with pytest.raises(SafegenError, match="Line 2 of"):
        list(read_findings(tmp_path))


@pytest.mark.parametrize("line", ["3", "[]", "null", '"PASS"', "{}"])
def test_a_line_that_is_no_finding_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / RESULTS_FILE).write_text(line)
    with pytest.raises(SafegenError):
        list(read_findings(tmp_path))


def test_a_number_in_a_line_that_is_none_is_refused(tmp_path: Path) -> None:
    text = json.dumps(finding_to_builtins(PLAIN)).replace("3.0", "Infinity")
    (tmp_path / RESULTS_FILE).write_text(text)
    with pytest.raises(SafegenError, match="Line 1"):
        list(read_findings(tmp_path))


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAIN)
    assert load_run(tmp_path) == run


@pytest.mark.parametrize("name", [RUN_FILE, RESULTS_FILE])
def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path, name: str) -> None:
    finished(tmp_path, PLAIN)
    (tmp_path / name).unlink()
    with pytest.raises(SafegenError, match="holds no finished run"):
        load_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"schema": 2}', "\xff"])
def test_a_damaged_run_is_refused(tmp_path: Path, text: str) -> None:
    finished(tmp_path, PLAIN)
    (tmp_path / RUN_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(SafegenError):
        load_run(tmp_path)


@pytest.mark.parametrize("change", [{"schema": 2}, {"more": 1}, {"verdict": "GREEN"}])
def test_a_run_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    finished(tmp_path, PLAIN)
    plain = json.loads((tmp_path / RUN_FILE).read_text(encoding="utf-8"))
    (tmp_path / RUN_FILE).write_text(json.dumps(plain | change))
    with pytest.raises(SafegenError):
        load_run(tmp_path)


def test_the_gate_file_counts_every_verdict(tmp_path: Path) -> None:
    finished(tmp_path, PLAIN, PLAIN, replace(PLAIN, verdict=Verdict.PASS))
    verdicts = json.loads((tmp_path / GATE_FILE).read_text(encoding="utf-8"))["verdicts"]
    assert verdicts == {**dict.fromkeys(map(str, Verdict), 0), "PASS": 1, "FAIL": 2}


def test_the_gate_file_holds_the_verdict(tmp_path: Path) -> None:
    finished(tmp_path, PLAIN)
    assert json.loads((tmp_path / GATE_FILE).read_text(encoding="utf-8"))["verdict"] == "FAIL"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"n": math.nan})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"n": 1}


def test_a_file_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    rename = Path.replace

    def spy(self: Path, target: Path) -> Path:
        seen.append([path.name for path in tmp_path.iterdir() if path.name == "a.json"])
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    write_json(tmp_path / "a.json", {"n": 1})
    assert seen == [[]]


def test_a_heatmap_is_never_seen_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_heatmap(heatmap_of(), tmp_path, PLAIN)
    names = [path.name for path in (tmp_path / "heatmaps").iterdir()]
    assert [name for name in names if not name.startswith("partial-")] == []


@pytest.fixture
def stored(tmp_path: Path) -> Heatmap:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    return load_heatmap(tmp_path / str(finding.heatmap))


def test_a_heatmap_keeps_its_values(stored: Heatmap) -> None:
    np.testing.assert_array_equal(stored.values, heatmap_of().values)


def test_a_heatmap_keeps_its_grid(stored: Heatmap) -> None:
    np.testing.assert_allclose(stored.affine, heatmap_of().affine, atol=1e-5)


def test_a_heatmap_keeps_its_words(stored: Heatmap) -> None:
    expected = heatmap_of()
    assert (stored.meaning, stored.ceiling, stored.of) == (
        expected.meaning,
        expected.ceiling,
        expected.of,
    )


def test_the_finding_names_its_heatmap_relative_to_the_folder(tmp_path: Path) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    assert str(finding.heatmap).startswith("heatmaps/")
    assert (tmp_path / str(finding.heatmap)).is_file()


@pytest.mark.parametrize(
    "target", ["../../etc/passwd", "a b/'\"<x>.nii", "é" * 300, "a\udcffb", "", "/root/a.nii"]
)
def test_the_heatmap_of_any_target_lies_in_its_folder(tmp_path: Path, target: str) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, replace(PLAIN, target=target))
    assert (tmp_path / str(finding.heatmap)).resolve().parent == tmp_path / "heatmaps"


@pytest.mark.parametrize(
    ("one", "two"), [("a/b.nii", "a-b.nii"), ("é.nii", "è.nii"), ("x" * 90 + "a", "y" * 90 + "a")]
)
def test_targets_that_look_alike_have_heatmaps_of_their_own(
    tmp_path: Path, one: str, two: str
) -> None:
    names = {
        save_heatmap(heatmap_of(), tmp_path, replace(PLAIN, target=target)).heatmap
        for target in (one, two)
    }
    assert len(names) == 2


LAYER = replace(heatmap_of(), name="grad-cam")


def test_a_layer_is_a_file_that_its_finding_names(tmp_path: Path) -> None:
    finding = save_layer(LAYER, tmp_path, PLAIN)
    assert load_heatmap(tmp_path / finding.layers["grad-cam"]).name == "grad-cam"


def test_layers_leave_the_heatmap_and_each_other_alone(tmp_path: Path) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    for name in ("grad-cam", "shap"):
        finding = save_layer(replace(LAYER, name=name), tmp_path, finding)
    paths = [finding.heatmap, *finding.layers.values()]
    assert list(finding.layers) == ["grad-cam", "shap"]
    assert len({str(path) for path in paths if (tmp_path / str(path)).is_file()}) == 3


def test_a_check_named_like_a_layer_has_a_file_of_its_own(tmp_path: Path) -> None:
    other = replace(PLAIN, check="anomaly-shap")
    layer = save_layer(replace(LAYER, name="shap"), tmp_path, PLAIN).layers["shap"]
    assert layer != save_heatmap(LAYER, tmp_path, other).heatmap


@pytest.mark.parametrize("name", ["../../up", "a/b", "", "é", "a\0b"])
def test_the_layer_of_any_name_lies_in_the_folder(tmp_path: Path, name: str) -> None:
    finding = save_layer(replace(LAYER, name=name), tmp_path, PLAIN)
    assert (tmp_path / finding.layers[name]).resolve().parent == tmp_path / "heatmaps"


def test_a_heatmap_that_somebody_else_wrote_has_defaults(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    assert load_heatmap(tmp_path / "a.nii.gz").ceiling == 3.0
