"""`safegen duplicates`, as a person types it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_safegen.cli.main import main
from pytest_safegen.testing import phantom, write_cohort, write_scan
from safegen_detectors.memorization.features.descriptors import Describer  # noqa: F401  torch, once

pytestmark = pytest.mark.slow

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    path = folder / "heads.safegen"
    real = write_cohort(folder / "real", range(14))
    assert main(["fit", str(real), "-o", str(path), "--checks", "memorization"]) == 0
    return path


@pytest.fixture
def ask(profile: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*folders: Path) -> tuple[int, str, str]:
        code = main(["duplicates", *map(str, folders), "--profile", str(profile)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return asked


def with_noise(subject: int) -> np.ndarray:
    scan = phantom(subject)
    noise = np.random.default_rng(subject).normal(0, 0.01 * scan.voxels.max(), scan.voxels.shape)
    return (scan.voxels + noise).astype(np.float32)


def test_different_patients_are_no_duplicates(ask: Ask, tmp_path: Path) -> None:
    code, out, _ = ask(write_cohort(tmp_path / "release", range(50, 55)))

    assert (code, out.splitlines()) == (0, ["0 duplicates"])


def test_the_same_patient_twice_is_named(ask: Ask, tmp_path: Path) -> None:
    from dataclasses import replace

    release = write_cohort(tmp_path / "release", range(50, 55))
    again = phantom(60)
    write_scan(replace(again, voxels=with_noise(52)), release)

    code, out, _ = ask(release)

    assert code == 1
    assert "sub-52" in out
    assert "sub-60" in out


def test_a_patient_in_both_releases_is_named(ask: Ask, tmp_path: Path) -> None:
    one = write_cohort(tmp_path / "one", range(50, 55))
    other = write_cohort(tmp_path / "other", [52, 61])

    code, out, _ = ask(one, other)

    assert code == 1
    assert "sub-52" in out
    assert "sub-61" not in out


def test_a_broken_scan_is_named_and_the_others_are_compared(ask: Ask, tmp_path: Path) -> None:
    release = write_cohort(tmp_path / "release", range(50, 55))
    broken = next(release.glob("sub-53/**/*.nii.gz"))
    broken.write_bytes(b"no scan")

    code, out, err = ask(release)

    assert (code, out.splitlines()) == (4, ["0 duplicates"])
    assert "sub-53" in err
