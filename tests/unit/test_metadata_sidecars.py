"""What a JSON file beside a scan, a sessions.tsv and a name of BraTS say of a patient."""

import json
from pathlib import Path

import pytest

from pytest_safegen.data.discover import discover


def bids(root: Path, content: str) -> Path:
    """The folder of one BIDS scan with a sidecar."""
    scan = root / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_T1w.nii.gz"
    scan.parent.mkdir(parents=True)
    scan.touch()
    scan.with_name("sub-01_ses-1_T1w.json").write_text(content)
    return root


def labels(root: Path) -> dict[str, str]:
    return dict(discover(root).refs[0].labels)


def test_ones_own_keys_of_a_sidecar_become_labels_and_those_of_bids_do_not(tmp_path):
    told = {
        "MagneticFieldStrength": 3,
        "pathology": "glioblastoma",
        "doubling_days": 42.5,
        "treated": True,
        "growth": {"model": "gompertz"},
    }

    found = labels(bids(tmp_path, json.dumps(told)))

    assert found == {"pathology": "glioblastoma", "doubling_days": "42.5", "treated": "True"}


@pytest.mark.parametrize("content", ["{", "[" * 20_000, '{"a": "' + "x" * 2**20 + '"}'])
def test_a_sidecar_that_cannot_be_read_is_told_and_stops_nothing(tmp_path, content):
    found = labels(bids(tmp_path, content))

    assert list(found) == ["sidecar_unread"]
    assert "sub-01_ses-1_T1w.json" in found["sidecar_unread"]


@pytest.mark.parametrize("content", ['[{"point": 1}]', "null", "3"])
def test_json_that_is_no_object_is_not_about_the_scan(tmp_path, content):
    assert labels(bids(tmp_path, content)) == {}


def test_a_sidecar_in_latin_1_is_read(tmp_path):
    root = bids(tmp_path, "{}")
    text = '{"InstitutionName": "Universit\u00e4t", "treated": "yes"}'.encode("latin-1")
    next(root.rglob("*.json")).write_bytes(text)

    assert labels(root) == {"treated": "yes"}


def test_text_that_no_file_can_hold_is_mended(tmp_path):
    assert labels(bids(tmp_path, '{"note": "a\\ud800b"}')) == {"note": "a?b"}


def test_a_sessions_file_of_something_else_stops_nothing(tmp_path):
    root = bids(tmp_path, "{}")
    (root / "sessions.tsv").write_text("visit\tscanner\nfirst\tA\n")

    assert labels(root) == {}


def test_other_columns_of_a_sessions_file_become_labels(tmp_path):
    root = bids(tmp_path, "{}")
    table = "session_id\tmonths\ttreated\tnote\nses-1\t3\tsurgery\tn/a\n"
    (root / "sub-01" / "sub-01_sessions.tsv").write_text(table)

    assert labels(root) == {"treated": "surgery"}


def test_a_sidecar_speaks_before_the_sessions_file(tmp_path):
    root = bids(tmp_path, '{"treated": "no"}')
    table = "session_id\ttreated\nses-1\tsurgery\n"
    (root / "sub-01" / "sub-01_sessions.tsv").write_text(table)

    assert labels(root) == {"treated": "no"}


@pytest.mark.parametrize(
    ("study", "pathology"), [("GLI", "glioma"), ("MEN", "meningioma"), ("MET", "brain metastasis")]
)
def test_a_name_of_brats_tells_the_pathology(tmp_path, study, pathology):
    (tmp_path / f"BraTS-{study}-00001-000-t1c.nii.gz").touch()

    assert labels(tmp_path) == {"pathology_by_name": pathology}


def test_the_manifest_speaks_before_a_name(tmp_path):
    (tmp_path / "BraTS-GLI-00001-000-t1c.nii.gz").touch()
    table = "path\tpathology\nBraTS-GLI-00001-000-t1c.nii.gz\tmeningioma\n"
    (tmp_path / "safegen.tsv").write_text(table)

    assert labels(tmp_path)["pathology"] == "meningioma"
