"""The digest of a profile changes with whatever could change a score, and with nothing else."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from stand_in import StandIn, ref_of

from pytest_safegen.core.scan import ScanRef
from pytest_safegen.profiles.digest import digest_of, fit_digest


@dataclass(frozen=True)
class WithOption(StandIn):
    size: int = 3


class PlainClass:
    """A detector whose repr holds its address."""

    version = "1"

    def __init__(self, size: int) -> None:
        self.size = size


@pytest.fixture
def ref(tmp_path: Path) -> ScanRef:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"one")
    mask = tmp_path / "mask.nii.gz"
    mask.write_bytes(b"mask")
    return replace(ref_of("sub-01"), path=path, mask=mask)


def digest(ref: ScanRef, detector: Any = None) -> str:
    return digest_of([ref], {"stand-in": detector or StandIn()})


def test_the_digest_does_not_change_with_the_time_of_a_file(ref: ScanRef) -> None:
    before = digest(ref)
    os.utime(ref.path, (1, 1))
    assert digest(ref) == before


def test_the_digest_does_not_change_with_the_place_of_a_folder(
    ref: ScanRef, tmp_path: Path
) -> None:
    before = digest(ref)
    moved = tmp_path / "moved.nii.gz"
    ref.path.rename(moved)
    assert digest(replace(ref, path=moved)) == before


def test_the_digest_changes_with_the_content(ref: ScanRef) -> None:
    before = digest(ref)
    ref.path.write_bytes(b"two")
    assert digest(ref) != before


def test_the_digest_changes_with_the_content_of_a_mask(ref: ScanRef) -> None:
    before = digest(ref)
    assert ref.mask is not None
    ref.mask.write_bytes(b"two")
    assert digest(ref) != before


def test_the_digest_changes_with_a_slice_of_a_series(ref: ScanRef, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one")
    before = digest(replace(ref, path=folder))
    (folder / "2.dcm").write_bytes(b"two")
    assert digest(replace(ref, path=folder)) != before


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "sub-02"},
        {"session": "2"},
        {"modality": "T2w"},
        {"months": 3.0},
        {"labels": {"site": "a"}},
    ],
)
def test_the_digest_changes_with_what_is_known_of_a_scan(
    ref: ScanRef, change: dict[str, Any]
) -> None:
    assert digest(replace(ref, **change)) != digest(ref)


def test_the_digest_changes_with_the_version_of_a_detector(ref: ScanRef) -> None:
    assert digest(ref, StandIn(version="2")) != digest(ref)


def test_the_digest_changes_with_the_options_of_a_detector(ref: ScanRef) -> None:
    assert digest(ref, WithOption(size=4)) != digest(ref, WithOption(size=3))


def test_the_digest_changes_with_the_options_of_a_plain_class(ref: ScanRef) -> None:
    assert digest(ref, PlainClass(4)) != digest(ref, PlainClass(3))


def test_the_digest_does_not_change_with_the_address_of_a_detector(ref: ScanRef) -> None:
    one, two = PlainClass(3), PlainClass(3)
    assert digest(ref, one) == digest(ref, two)


def test_the_digest_takes_a_detector_that_has_no_file(ref: ScanRef) -> None:
    made: Any = type("Typed", (), {"version": "1", "__module__": "builtins"})
    assert digest(ref, made()) == digest(ref, made())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package with one detector, one module beside it and one below."""
    folder = tmp_path / "strange_detector"
    (folder / "deeper").mkdir(parents=True)
    for name in ("__init__", "beside", "deeper/__init__", "deeper/below"):
        (folder / f"{name}.py").write_text("LIMIT = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    monkeypatch.delitem(sys.modules, f"{folder.name}.beside", raising=False)
    return folder


def of_package(**declared: Any) -> Any:
    """A detector whose class lies in that package."""
    made = type("Made", (), {"version": "1", "__module__": "strange_detector.detector", **declared})
    return made()


@pytest.mark.parametrize("file", ["beside.py", "deeper/below.py"])
def test_the_digest_changes_with_the_code_of_a_package(
    ref: ScanRef, package: Path, file: str
) -> None:
    before = digest(ref, of_package())
    (package / file).write_text("LIMIT = 2\n")
    assert digest(ref, of_package()) != before


def test_the_digest_does_not_change_with_comments_and_docstrings(
    ref: ScanRef, package: Path
) -> None:
    before = digest(ref, of_package())
    (package / "beside.py").write_text('"""Limits."""\n\nLIMIT = 1  # of all\n"""In mm."""\n')
    assert digest(ref, of_package()) == before


def test_the_digest_changes_with_declared_code_only(ref: ScanRef, package: Path) -> None:
    declared = of_package(code=("strange_detector.beside",), libraries=())
    before = digest(ref, declared)
    (package / "deeper" / "below.py").write_text("LIMIT = 2\n")
    assert digest(ref, declared) == before
    (package / "beside.py").write_text("LIMIT = 2\n")
    assert digest(ref, declared) != before


def test_the_digest_changes_with_the_version_of_a_library(
    ref: ScanRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(ref)
    monkeypatch.setattr("pytest_safegen.core.code_digest.version", lambda _: "99.0")
    assert digest(ref) != before


def test_the_digest_of_a_scan_that_is_gone_is_another(ref: ScanRef) -> None:
    before = digest(ref)
    ref.path.unlink()
    assert digest(ref) != before


def test_the_digest_of_a_fit_changes_with_the_seed(ref: ScanRef) -> None:
    assert fit_digest([ref], [], {}, seed=0) != fit_digest([ref], [], {}, seed=1)


def test_the_digest_of_a_fit_tells_reference_from_holdout(ref: ScanRef) -> None:
    other = replace(ref, subject="sub-02")
    assert fit_digest([ref, other], [], {}, seed=0) != fit_digest([ref], [other], {}, seed=0)
