"""A patient's other visit, against a reference that holds the first one."""

from judged import Judged


def test_another_visit_of_a_reference_patient_fails(rescans: Judged) -> None:
    assert rescans.finding("memorization", "sub-rescan")["verdict"] == "FAIL"


def test_the_patient_of_the_other_visit_is_named(rescans: Judged) -> None:
    assert rescans.finding("memorization", "sub-rescan")["nearest"] == rescans.copied


def test_another_visit_is_linked_and_not_called_a_copy(rescans: Judged) -> None:
    measures = rescans.finding("memorization", "sub-rescan")["measures"]

    assert measures["kind"]["unit"] == "LINKED"


def test_somebody_else_from_the_same_scanner_is_not_linked(rescans: Judged) -> None:
    measures = rescans.finding("memorization", "sub-other")["measures"]

    assert measures["kind"]["unit"] != "LINKED"
