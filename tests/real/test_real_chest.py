"""Chest CT: nodules of 60 real patients as reference and 20 others as release; two DICOM series."""

from judged import Judged

CHECKS = ("anomaly", "integrity", "memorization")


def test_every_nodule_is_judged_by_every_check(nodules: Judged) -> None:
    judged = {(f["check"], f["target"]) for f in nodules.findings}

    assert judged >= {(check, target) for check in CHECKS for target in nodules.clean}


def test_at_most_a_tenth_of_the_real_nodules_fail(nodules: Judged) -> None:
    assert len(nodules.failed()) <= 0.1 * len(nodules.clean), "\n".join(nodules.failed())


def test_an_exact_copy_of_a_nodule_fails_memorization(nodules: Judged) -> None:
    assert nodules.finding("memorization", "sub-copy")["verdict"] == "FAIL"


def test_the_patient_whose_nodule_was_copied_is_named(nodules: Judged) -> None:
    assert nodules.finding("memorization", "sub-copy")["nearest"] == nodules.copied


def test_both_dicom_series_pass_integrity(chest: Judged) -> None:
    verdicts = {f["target"]: f["verdict"] for f in chest.findings if f["check"] == "integrity"}

    assert verdicts == dict.fromkeys(chest.clean, "PASS"), chest.output


def test_integrity_alone_on_good_dicom_is_green(chest: Judged) -> None:
    assert chest.returncode == 0, chest.output
