"""Brain MRI: 80 real patients as reference, 44 others as the release, and three planted faults."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from judged import Judged

CHECKS = ("anomaly", "integrity", "memorization")


def test_every_scan_is_judged_by_every_check(brains: Judged) -> None:
    judged = {(f["check"], f["target"]) for f in brains.findings}

    assert judged >= {(check, target) for check in CHECKS for target in brains.clean}


def test_the_run_is_red(brains: Judged) -> None:
    assert brains.returncode == 1, brains.output


def test_at_most_a_tenth_of_the_real_scans_fail(brains: Judged) -> None:
    assert len(brains.failed()) <= 0.1 * len(brains.clean), "\n".join(brains.failed())


def test_an_exact_copy_of_a_reference_patient_fails_memorization(brains: Judged) -> None:
    assert brains.finding("memorization", "sub-copy")["verdict"] == "FAIL"


def test_the_patient_who_was_copied_is_named(brains: Judged) -> None:
    assert brains.finding("memorization", "sub-copy")["nearest"] == brains.copied


def test_a_ball_of_noise_fails_anomaly(brains: Judged) -> None:
    finding = brains.finding("anomaly", "sub-ball20")

    assert finding["verdict"] == "FAIL", finding["reason"]


def test_a_ball_of_noise_of_one_centimetre_is_not_passed_over(brains: Judged) -> None:
    finding = brains.finding("anomaly", "sub-ball10")

    assert finding["verdict"] in ("WARN", "FAIL"), finding["reason"]


@pytest.mark.parametrize("ball", ["ball10", "ball20"])
def test_the_heatmap_of_a_ball_of_noise_is_highest_inside_it(
    brains: Judged, balls: dict[str, np.ndarray], ball: str
) -> None:
    values = heatmap(brains.report, brains.finding("anomaly", f"sub-{ball}")["heatmap"])

    assert balls[ball][np.unravel_index(int(values.argmax()), values.shape)]


def test_a_ball_of_noise_is_no_copy(brains: Judged) -> None:
    assert brains.finding("memorization", "sub-ball20")["verdict"] in ("PASS", "WARN")


def test_an_exact_copy_is_no_anomaly(brains: Judged) -> None:
    assert brains.finding("anomaly", "sub-copy")["verdict"] in ("PASS", "WARN")


def heatmap(report: Path, name: str) -> np.ndarray:
    return np.asarray(nib.load(report / name).dataobj)
