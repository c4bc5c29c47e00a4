"""The benchmark of the anomaly check, on phantoms: it runs, and its numbers are what they say."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.anomaly import __main__ as anomaly, cohort, comparison, faithfulness, tables
from benchmarks.anomaly.cohort import reference_from, split, target_of
from benchmarks.anomaly.comparison import Scored, mean_auroc_interval, paired
from benchmarks.anomaly.fault_types import QUARTERS, TORCHIO, fault_types_of
from benchmarks.anomaly.localization import LIMITS, overlap_at_limits
from benchmarks.anomaly.methods_under_test import OURS, fit_methods, missing_of
from benchmarks.anomaly.options import arguments
from benchmarks.anomaly.trial import Trial, run
from pytest_safegen import Prepared, Profile
from pytest_safegen.data.discover import discover
from pytest_safegen.faults import FAMILIES
from pytest_safegen.readers import read_scan
from pytest_safegen.testing import write_cohort
from safegen_detectors.anomaly import AnomalyDetector
from safegen_detectors.explain.metrics import iou
from safegen_detectors.threads import one_thread_each

pytestmark = pytest.mark.slow

METHODS, BASELINE = ("atlas", "image-quality"), "histogram"
WORDS = ["--reference", "12", "--planted", "2", "--families", "dropout,noise", "--baselines"]


def unmoved(fixed: Prepared, moving: Prepared, **options: Any) -> NDArray[np.float64]:
    """Phantoms lie on one grid, so that nothing needs to be registered."""
    return np.eye(4)


@pytest.fixture(scope="module", autouse=True)
def fewer_repetitions() -> Iterator[None]:
    """Slow steps run with fewer repetitions."""
    with pytest.MonkeyPatch.context() as patch, one_thread_each():
        patch.setattr(cohort, "SUBJECTS_FOR_TEMPLATE", 2)
        patch.setattr("pytest_safegen.prepare.template.register", unmoved)
        patch.setattr(faithfulness, "STEPS", 2)
        patch.setattr(comparison, "DRAWS", 100)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("phantoms"), range(15))


@pytest.fixture(scope="module")
def content(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("results")
    out, scans = folder / "anomaly.json", folder / "scans.csv"
    command_line = [*WORDS, BASELINE, "--methods", ",".join(METHODS), "--data", str(data)]
    command_line += ["--dose", "--strengths", "0.2,1", "--dose-planted", "1", "--faithfulness", "1"]
    command_line += ["--figure", str(folder / "dose.svg"), "--out", str(out), "--scans", str(scans)]
    anomaly.main(command_line)
    assert scans.read_text(encoding="utf-8").startswith("kind,strength")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_each_family_has_numbers_of_each_method(content: dict[str, Any]) -> None:
    methods = {row["kind"]: set(row["methods"]) for row in content["kinds"]}

    assert methods == {name: {OURS, *METHODS, BASELINE} for name in ("noise", "dropout")}


def test_only_local_families_have_localization(content: dict[str, Any]) -> None:
    located = {row["kind"]: "iou" in row["methods"][OURS] for row in content["kinds"]}

    assert located == {"noise": False, "dropout": True}


def test_false_alarms_are_of_all_untouched_scans(content: dict[str, Any]) -> None:
    alarms = content["contestants"][OURS]["false_alarms"]

    assert [one["n"] for one in alarms.values()] == [3, 3]


def test_deleting_what_the_map_shows_lowers_the_score_faster_than_chance(
    content: dict[str, Any],
) -> None:
    found = content["faithfulness"]

    assert found["deletion"] < found["deletion_by_chance"]


def test_every_strength_has_its_dose(content: dict[str, Any]) -> None:
    assert {name: list(found) for name, found in content["dose"].items()} == {
        "noise": ["0.2", "1"],
        "dropout": ["0.2", "1"],
    }


def test_the_tables_are_printed_from_the_file(
    content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "anomaly.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    anomaly.main(["--table", str(path)])

    assert capsys.readouterr().out.strip() == tables.markdown(content).strip()


def test_the_score_is_that_of_the_detector(data: Path) -> None:
    parts = split(discover(data), reference=10, tests=1, seed=0)
    reference = reference_from(parts.reference)
    field = fit_methods(
        reference,
        methods=METHODS,
        baselines=(),
        quarters=(),
        steps=0,
        also_all=False,
        seed=0,
    )
    (outcome,) = run(Trial(reference, field, 0), parts.tests, {})

    detector = AnomalyDetector(methods=METHODS)
    known = [target_of(read_scan(ref), reference.template) for ref in parts.reference]
    fitted = detector.fit(known, seed=0)
    profile = Profile("anomaly", "", fitted.arrays, fitted.facts, np.empty(0), "", len(known))
    target = target_of(read_scan(parts.tests[0]), reference.template)
    (score,) = detector.open(profile, device="cpu").score([target])

    assert outcome.scores[OURS] == pytest.approx(score.value, rel=1e-4)


def test_every_group_of_families_is_in_one_quarter() -> None:
    groups = {family.group for family in FAMILIES.values()}
    quarters = [group for quarter in QUARTERS.values() for group in quarter]

    assert sorted(quarters) == sorted(groups)


def test_torchio_faults_belong_to_a_group_that_exists() -> None:
    assert set(TORCHIO.values()) <= {family.group for family in FAMILIES.values()}


def test_a_family_that_the_modality_cannot_have_is_refused() -> None:
    with pytest.raises(SystemExit, match="rings"):
        fault_types_of("mr", ["rings"], torchio=False)


def test_a_baseline_without_its_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert missing_of(["zscore", "padim"]) == {"padim": "anomalib is not installed"}


def test_planting_uses_all_scans_about_equally() -> None:
    options = arguments(["--planted", "3"])
    plan = anomaly.plan_faults(options, fault_types_of("mr", [], torchio=False), 10)

    counts = [len(plantings) for plantings in plan.values()]

    assert max(counts) - min(counts) <= 1


def test_quick_leaves_what_was_asked_for() -> None:
    options = arguments(["--quick", "--planted", "3"])

    assert (options.reference, options.planted, options.baselines) == (24, 3, ())


def test_overlap_at_limits_is_the_overlap_at_each() -> None:
    random = np.random.default_rng(0)
    found, wanted = random.lognormal(size=200).astype(np.float32), random.random(200) > 0.7

    actual = overlap_at_limits(found, wanted)

    assert actual == pytest.approx([iou(found, wanted, limit=limit) for limit in LIMITS])


def test_a_constant_difference_has_no_spread() -> None:
    test = paired([0.9, 0.8, 0.7], [0.65, 0.55, 0.45], seed=0)

    assert test is not None
    assert test.low <= test.difference == pytest.approx(0.25)


def test_a_perfect_method_has_no_width() -> None:
    family = Scored([2.0, 3.0], ["a", "b"], [0.0, 1.0, 0.5], ["a", "b", "c"])

    assert mean_auroc_interval([family, replace(family)], seed=0) == (1.0, 1.0)
