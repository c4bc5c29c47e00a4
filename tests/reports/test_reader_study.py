"""The reader study: blinded and balanced pages, and numbers that agree with plain references."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pytest_safegen import Finding, Heatmap, UsageProblem, Verdict
from pytest_safegen.cli.main import main
from pytest_safegen.judging.heatmaps import save_heatmap
from pytest_safegen.results.files import ResultLog
from pytest_safegen.testing import phantom, write_cohort
from safegen_reports.reader_study.create import create_study
from safegen_reports.reader_study.design import StudyPlan, crossover_orders
from safegen_reports.reader_study.readings import (
    Answer,
    Case,
    ReaderAnswers,
    StudyKey,
    key_to_json,
    observations,
    read_all_answers,
    read_answers,
    read_key,
)
from safegen_reports.reader_study.results import analyse, write_results
from safegen_reports.reader_study.statistics import eta_squared_interval

pytestmark = pytest.mark.slow

CASES = tuple(
    Case(f"{n:012x}", "real" if n < 6 else "synthetic", f"scan-{n}.nii") for n in range(12)
)


def _key(readers: int = 4) -> StudyKey:
    random = np.random.default_rng(1)
    return StudyKey(
        "study", 1, CASES, crossover_orders(CASES, readers=readers, heatmaps=True, random=random)
    )


def _reading(key: StudyKey, reader: int, right_without: float, right_with: float) -> ReaderAnswers:
    """A reader who is right so often, by chance that does not change from run to run."""
    random = np.random.default_rng(reader)
    kinds = key.kind_by_token()
    answers = []
    for trial in key.orders[reader - 1]:
        right = random.uniform() < (right_with if trial.heatmap else right_without)
        truth = kinds[trial.token]
        answer = truth if right else {"real": "synthetic", "synthetic": "real"}[truth]
        useful = int(random.integers(1, 6)) if trial.heatmap else None
        seconds = float(random.uniform(3, 9))
        answers.append(
            Answer(trial.token, trial.period, trial.heatmap, answer, 3, 4, useful, seconds)
        )
    return ReaderAnswers(reader, tuple(answers))


@pytest.fixture(scope="module")
def readings() -> list[ReaderAnswers]:
    key = _key()
    return [_reading(key, reader, 0.5, 0.9) for reader in (1, 2, 3, 4)]


def test_each_reader_sees_each_case_once_in_each_condition() -> None:
    for order in _key().orders:
        seen = [(trial.token, trial.heatmap) for trial in order]
        assert sorted(seen) == sorted((c.token, shown) for c in CASES for shown in (False, True))


def test_each_case_is_read_once_in_each_period() -> None:
    for order in _key().orders:
        for period in (1, 2):
            tokens = [trial.token for trial in order if trial.period == period]
            assert sorted(tokens) == [case.token for case in CASES]


def test_a_period_holds_as_many_real_scans_with_a_heatmap_as_without() -> None:
    kinds = _key().kind_by_token()
    for order in _key().orders:
        shown = [t.heatmap for t in order if t.period == 1 and kinds[t.token] == "real"]
        assert (len(shown), sum(shown)) == (6, 3)


def test_every_other_reader_has_the_conditions_the_other_way_round() -> None:
    first, second, *_ = ({(t.token, t.period): t.heatmap for t in order} for order in _key().orders)
    assert all(second[trial] is not shown for trial, shown in first.items())


def test_the_order_of_no_two_readers_is_alike() -> None:
    tokens = {tuple(trial.token for trial in order) for order in _key().orders}
    assert len(tokens) == 4


def test_the_proportions_are_those_of_the_answers(readings) -> None:
    rows = observations(_key(), readings)
    line = next(line for line in analyse(rows).lines if line.reader == "reader 2")
    own = [row for row in rows if row.reader == 2 and row.condition == line.condition]
    called = [row.response.answer == "synthetic" for row in own if row.kind == "synthetic"]
    assert line.accuracy is not None
    assert line.sensitivity is not None
    assert line.accuracy.value == np.mean([row.response.answer == row.kind for row in own])
    assert line.sensitivity.value == np.mean(called)
    interval = stats.binomtest(sum(called), len(called)).proportion_ci(method="wilson")
    assert (line.sensitivity.low, line.sensitivity.high) == pytest.approx(tuple(interval))


def test_the_paired_test_agrees_with_scipy(readings) -> None:
    rows = observations(_key(), readings)
    shares = {
        shown: [
            np.mean([r.correct for r in rows if r.reader == n and r.response.heatmap is shown])
            for n in (1, 2, 3, 4)
        ]
        for shown in (True, False)
    }
    expected = stats.ttest_rel(shares[True], shares[False])
    test = analyse(rows).comparisons[0]
    assert (test.t, test.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert test.difference.value == pytest.approx(np.mean(shares[True]) - np.mean(shares[False]))


def test_an_effect_of_two_levels_is_the_square_of_its_t(readings) -> None:
    found = analyse(observations(_key(), readings))
    effect = next(e for e in found.effects if (e.outcome, e.source) == ("accuracy", "heatmap"))
    assert effect.f == pytest.approx(found.comparisons[0].t ** 2)
    assert effect.p == pytest.approx(found.comparisons[0].p)


def test_readers_with_the_same_answers_agree_entirely() -> None:
    key = _key(2)
    truths = [_reading(key, 1, 1.0, 1.0), _reading(key, 2, 1.0, 1.0)]
    found = analyse(observations(key, truths))
    assert [kappa.value for kappa in found.agreements.values() if kappa] == [1.0, 1.0]


def test_kappa_of_two_is_that_of_the_formula(readings) -> None:
    rows = observations(_key(), readings[:2])
    without = [row for row in rows if row.condition == "without"]
    table = {(row.token, row.reader): row.response.answer for row in without}
    a, b = ([table[case.token, reader] for case in CASES] for reader in (1, 2))
    observed = np.mean([x == y for x, y in zip(a, b, strict=True)])
    chance = sum(a.count(k) * b.count(k) for k in ("real", "synthetic")) / len(CASES) ** 2
    kappa = analyse(rows).agreements["without"]
    assert kappa is not None
    assert kappa.value == pytest.approx((observed - chance) / (1 - chance))


def test_the_interval_of_eta_holds_it() -> None:
    f, numerator, denominator = 12.0, 1.0, 9.0
    low, high = eta_squared_interval(f, numerator, denominator)
    assert 0 < low < f * numerator / (f * numerator + denominator) < high < 1


def test_no_effect_has_an_interval_from_zero() -> None:
    assert eta_squared_interval(0.1, 1, 9)[0] == 0.0


def test_one_reader_gives_proportions_and_a_note_on_what_is_missing(readings) -> None:
    found = analyse(observations(_key(), readings[:1]))
    assert (found.comparisons, found.effects) == ((), ())
    assert "One reader" in " ".join(found.notes)


def _answer_file(folder: Path, key: StudyKey, reading: ReaderAnswers) -> Path:
    path = folder / f"answers-{reading.reader}.json"
    plain = {"schema": 1, "study": key.study, **dataclasses.asdict(reading)}
    path.write_text(json.dumps(plain))
    return path


def test_the_results_are_written(tmp_path: Path, readings) -> None:
    key = _key()
    (tmp_path / "key.json").write_text(key_to_json(key))
    paths = [_answer_file(tmp_path, key, reading) for reading in readings]
    write_results(tmp_path / "key.json", paths, tmp_path / "results")
    with (tmp_path / "results" / "answers.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 4 * 24
    found = json.loads((tmp_path / "results" / "results.json").read_text())
    assert found["readers"] == 4
    assert "| all readers | with heatmap |" in (tmp_path / "results" / "results.md").read_text()
    assert "Repeated-measures ANOVA" in (tmp_path / "results" / "results.html").read_text()


def test_the_key_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(key_to_json(_key()))
    assert read_key(tmp_path / "key.json") == _key()


def test_an_unfinished_reading_is_refused(tmp_path: Path, readings) -> None:
    short = dataclasses.replace(readings[0], answers=readings[0].answers[:-1])
    with pytest.raises(UsageProblem, match="23 answers that are not the 24 asked of reader 1"):
        read_answers(_answer_file(tmp_path, _key(), short), _key())


def test_an_answer_that_cannot_be_is_refused(tmp_path: Path, readings) -> None:
    first, *others = readings[0].answers
    for change in ({"answer": "maybe"}, {"realism": 6}, {"seconds": math.nan}):
        wrong = dataclasses.replace(first, **change)
        reading = dataclasses.replace(readings[0], answers=(wrong, *others))
        with pytest.raises(UsageProblem, match="invalid answer"):
            read_answers(_answer_file(tmp_path, _key(), reading), _key())


def test_two_files_of_one_reader_are_refused(tmp_path: Path, readings) -> None:
    path = _answer_file(tmp_path, _key(), readings[0])
    with pytest.raises(UsageProblem, match="second file of reader 1"):
        read_all_answers([path, path], _key())


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> StudyPlan:
    """Two small cohorts, each with a report that holds a heatmap of every scan."""
    root = tmp_path_factory.mktemp("study")
    for name, subjects in (("real", range(2)), ("synthetic", range(10, 12))):
        write_cohort(root / name, subjects)
        report = root / f"{name}-report"
        log = ResultLog(report)
        for subject in subjects:
            scan = phantom(subject)
            heatmap = Heatmap(np.full(scan.voxels.shape, 0.4, np.float32), scan.affine, "odd")
            finding = Finding("anomaly", scan.ref.target, Verdict.PASS, "Fine.", 0.4, 1.0)
            log.add(save_heatmap(heatmap, report, finding))
        log.close()
    return StudyPlan(
        root / "real", root / "synthetic", root / "real-report", root / "synthetic-report", scans=2
    )


def test_nothing_for_the_readers_says_which_scan_is_which(plan: StudyPlan, tmp_path: Path) -> None:
    key = create_study(plan, tmp_path / "study")
    names = [path.name for path in (tmp_path / "study" / "pages").rglob("*") if path.is_file()]
    texts = [path.read_text() for path in (tmp_path / "study" / "pages").glob("*.html")]
    for case in key.cases:
        assert not any(case.target in text or "sub-" in text for text in texts)
        assert any(case.token in name for name in names)
    assert not any("sub-" in name for name in names)


def test_a_page_says_that_it_shows_real_patients(plan: StudyPlan, tmp_path: Path) -> None:
    create_study(plan, tmp_path / "study")
    text = (tmp_path / "study" / "pages" / "reader-1.html").read_text()
    assert "This page shows pixels of real patients" in text


def test_the_same_seed_makes_the_same_study(plan: StudyPlan, tmp_path: Path) -> None:
    assert create_study(plan, tmp_path / "a") == create_study(plan, tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scans": 3}, "scans of 2 patients; 3 are needed"),
        ({"real_report": None}, "Heatmaps on one kind only would betray it"),
        ({"check": "other"}, "has no heatmap of other"),
        ({"readers": 0}, "at least one scan of each kind and one reader"),
    ],
)
def test_a_study_that_cannot_be_is_refused(plan, tmp_path, change, words) -> None:
    with pytest.raises(UsageProblem, match=words):
        create_study(dataclasses.replace(plan, **change), tmp_path / "study")


def test_a_folder_that_is_not_empty_is_left_alone(plan: StudyPlan, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageProblem, match="is not empty"):
        create_study(plan, tmp_path)


def test_the_command_makes_a_study_without_heatmaps(
    plan: StudyPlan, tmp_path: Path, capsys
) -> None:
    arguments = ["--real", str(plan.real), "--synthetic", str(plan.synthetic)]
    output = ["-o", str(tmp_path / "study"), "--scans", "2", "--readers", "1"]
    assert main(["reader-study", "create", *arguments, *output]) == 0
    assert "keep it from the readers" in capsys.readouterr().out
    (order,) = read_key(tmp_path / "study" / "key.json").orders
    assert [trial.heatmap for trial in order] == [False] * 4


@pytest.mark.browser
def test_a_reader_works_through_the_page_and_the_analysis_reads_it(
    plan: StudyPlan, tmp_path: Path, browser
) -> None:
    from browser import opened

    key = create_study(dataclasses.replace(plan, readers=1), tmp_path / "study")
    with opened(browser, tmp_path / "study" / "pages" / "reader-1.html") as tab:
        tab.page.get_by_role("button", name="Begin").click()
        for number, trial in enumerate(key.orders[0]):
            if number == 4:
                tab.page.get_by_role("button", name="Go on").click()
            reading = f"reading {number + 1} of {len(key.orders[0])}"
            tab.page.get_by_text(reading, exact=True).wait_for()
            tab.page.wait_for_selector("#reading:not([hidden])")
            assert tab.page.locator(".overlay:visible").count() == (3 if trial.heatmap else 0)
            tab.page.get_by_label("synthetic").check()
            for field in ("confidence", "realism", *(["usefulness"] if trial.heatmap else [])):
                tab.page.locator(f"[name={field}][value='4']").check()
            tab.page.get_by_role("button", name="Next").click()
        with tab.page.expect_download() as downloaded:
            tab.page.get_by_role("button", name="Download answers-reader-1.json").click()
        downloaded.value.save_as(tmp_path / "answers.json")
        assert tab.console == []
    reading = read_answers(tmp_path / "answers.json", key)
    assert {answer.answer for answer in reading.answers} == {"synthetic"}
    assert all(answer.seconds > 0 for answer in reading.answers)
