"""`-n 2`: the same findings, and nothing is lost where a worker dies."""

from __future__ import annotations

import os

import pytest
from gate_project import BAD, KILL, Project, outcomes

pytestmark = pytest.mark.slow


@pytest.fixture
def cohort(project: Project) -> Project:
    """Two patients with follow-up and one scan that fails."""
    for subject in ("01", "02"):
        for session in ("01", "02"):
            project.scan(f"data/sub-{subject}_ses-{session}_T1w.nii.gz")
    project.scan("data/sub-03_T1w.nii.gz", BAD)
    return project


@pytest.mark.parametrize("distribution", [(), ("--dist=loadfile",)], ids=["load", "loadfile"])
def test_two_workers_find_the_same(cohort: Project, distribution: tuple[str, ...]) -> None:
    alone = cohort.gate()
    expected = cohort.verdicts()
    shared = cohort.gate("-n2", *distribution)
    assert cohort.verdicts() == expected
    assert outcomes(shared) == outcomes(alone)


def test_two_workers_select_a_series_by_its_node_id(cohort: Project) -> None:
    cohort.gate("-n2", "data/sub-01::growth")
    assert set(cohort.verdicts()) == {("growth", "sub-01")}


def test_two_workers_run_only_what_failed_last(cohort: Project) -> None:
    cohort.gate("-n2")
    cohort.gate("-n2", "--lf")
    assert set(cohort.verdicts()) == {("brightness", "sub-03_T1w.nii.gz")}


def test_a_worker_that_dies_turns_the_run_red(cohort: Project) -> None:
    cohort.scan("data/sub-03_T1w.nii.gz", KILL)
    assert cohort.gate("-n2").ret == pytest.ExitCode.TESTS_FAILED


def test_the_accounting_names_what_a_dead_worker_lost(cohort: Project) -> None:
    cohort.scan("data/sub-03_T1w.nii.gz", KILL)
    cohort.gate("-n2")
    assert cohort.reason("accounting") == (
        "1 check (brightness of sub-03_T1w.nii.gz) was collected but never judged: "
        "the run stopped, or a worker died."
    )


def test_the_others_are_judged_where_a_worker_dies(cohort: Project) -> None:
    cohort.scan("data/sub-03_T1w.nii.gz", KILL)
    cohort.gate("-n2")
    passed = [key for key, verdict in cohort.verdicts().items() if verdict == "PASS"]
    assert len(passed) == 7


NOTE_THREADS = """
import os, sys
NAMES = {name for name in ("numpy", "scipy", "SimpleITK") if name in sys.modules}
with open(f"threads-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.txt", "w") as file:
    file.write(f"{os.environ.get('OMP_NUM_THREADS')} {sorted(NAMES)}")
"""


@pytest.fixture
def threads(cohort: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that notes the number of threads at the start of each process."""
    for name in ("OMP_NUM_THREADS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    conftest = cohort.root / "conftest.py"
    conftest.write_text(NOTE_THREADS + conftest.read_text(encoding="utf-8"), encoding="utf-8")
    return cohort


def test_workers_share_the_cores_before_they_load_a_library(threads: Project) -> None:
    threads.gate("-n2")
    for worker in ("gw0", "gw1"):
        assert (threads.root / f"threads-{worker}.txt").read_text() == "3 []"


def test_the_main_process_keeps_its_threads(threads: Project) -> None:
    threads.gate("-n2")
    assert (threads.root / "threads-main.txt").read_text().startswith("None")
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_number_of_threads_that_the_user_set_stays(
    threads: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    threads.gate("-n2")
    assert (threads.root / "threads-gw0.txt").read_text() == "5 []"


def test_own_tests_over_the_data_reach_the_results(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(safegen_scan): assert safegen_scan.voxels.max() < 1")
    cohort.gate("-n2")
    found = {
        target: verdict
        for (check, target), verdict in cohort.verdicts().items()
        if check == "test_own"
    }
    assert found["sub-03_T1w.nii.gz"] == "FAIL"
    assert list(found.values()).count("PASS") == 4
