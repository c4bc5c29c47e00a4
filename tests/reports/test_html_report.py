from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from report_site import HOSTILE, WORST, Document, Site

from pytest_safegen import Finding, Heatmap, Verdict
from pytest_safegen.judging.heatmaps import save_heatmap
from safegen_reports.html.index import TARGET_KINDS, VERDICTS_WORST_FIRST
from safegen_reports.html.report import format_number, format_time

pytestmark = pytest.mark.slow

FAIL, PASS = VERDICTS_WORST_FIRST.index(Verdict.FAIL), VERDICTS_WORST_FIRST.index(Verdict.PASS)
ANOMALY = 0
REFERENCES = {"a": "href", "link": "href", "img": "src", "script": "src", "image": "href"}


def _references(document: Document) -> list[str]:
    return [
        each[REFERENCES[each.tag]]
        for each in document.elements
        if each.attributes.get(REFERENCES.get(each.tag, ""))
    ]


def _table(document: Document) -> dict:
    return json.loads(document.one("table-data").text)


def _rows(document: Document) -> dict[str, list]:
    return {row[0]: row for row in _table(document)["rows"]}


def test_the_verdict_stands_on_top_as_a_word(site: Site) -> None:
    assert site.open().one("verdict").words.startswith("✕ FAIL The release must not go out.")


def test_the_reasons_of_the_verdict_are_listed(site: Site) -> None:
    (reasons,) = site.open().all("ul", "reasons")
    assert reasons.words == "1 scan failed anomaly. The <table> failed."


def test_the_accounting_shows_that_it_adds_up(site: Site) -> None:
    assert site.open().one("accounting").words == (
        "4 scans, 3 series with follow-up: discovered 4 = collected 4 = judged 4 = reported 4"
    )


def test_the_accounting_shows_where_it_does_not_add_up(site: Site) -> None:
    counts = {"series": 3, "discovered": 4, "collected": 4, "judged": 3, "deselected": 1}
    changed = site.rewritten(counts=counts).open()
    assert changed.one("accounting").words == (
        "4 scans, 3 series with follow-up: "
        "discovered 4 = collected 4 ≠ judged 3 ≠ reported unknown , deselected 1"
    )


def test_an_enforcing_run_has_no_banner(site: Site) -> None:
    assert site.open().all("p", "banner") == []


@pytest.mark.parametrize("mode", ["warn", "record"])
def test_a_run_that_does_not_block_says_so_on_every_page(site: Site, mode) -> None:
    changed = site.rewritten(mode=mode)
    for path in changed.pages():
        (banner,) = changed.open(str(path.relative_to(site.folder))).all("p", "banner")
        assert f"This run does not block. Its mode is “{mode}”" in banner.words


def test_every_scan_and_judged_series_has_a_page(site: Site) -> None:
    for target in ["sub-1_a.nii", "sub-2_a.nii", "sub-2_b.nii", "sub-2", HOSTILE]:
        site.page_of(target)
    assert len(list((site.folder / "scans").iterdir())) == 4
    assert len(list((site.folder / "series").iterdir())) == 1


def test_every_link_and_picture_leads_to_a_file(site: Site) -> None:
    for path in site.pages():
        document = site.open(str(path.relative_to(site.folder)))
        for reference in _references(document):
            if not reference.startswith("#"):
                assert (path.parent / unquote(reference)).is_file(), reference


def test_every_link_of_the_table_leads_to_a_file(site: Site) -> None:
    for row in _table(site.open())["rows"]:
        folder = "series" if row[2] == TARGET_KINDS.index("series") else "scans"
        assert (site.folder / folder / f"{row[1]}.html").is_file()


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    texts = [path for path in site.folder.rglob("*") if path.suffix in {".css", ".js"}]
    own = [path for path in texts if path.parent.name == "assets"]
    assert len(own) > 2
    assert all("//" not in text.read_text(encoding="utf-8").replace("// ", "") for text in own)
    for path in site.pages():
        for reference in _references(site.open(str(path.relative_to(site.folder)))):
            assert urlsplit(reference)[:2] == ("", "")


def test_every_page_forbids_inline_scripts_and_the_network(site: Site) -> None:
    for path in site.pages():
        document = site.open(str(path.relative_to(site.folder)))
        policy = next(
            each["content"] for each in document.all("meta") if "http-equiv" in each.attributes
        )
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self' file:"
        assert not any(
            name.startswith("on") or name == "style"
            for each in document.elements
            for name in each.attributes
        )


def test_a_hostile_name_makes_no_element(site: Site) -> None:
    for path in site.pages():
        document = site.open(str(path.relative_to(site.folder)))
        scripts = [each.attributes for each in document.all("script")]
        assert all("src" in each or each.get("type") == "application/json" for each in scripts)
        assert document.all("b", "strange") == []
        assert [each.text for each in document.all("i")] == []


def test_a_hostile_name_is_shown_as_it_is(site: Site) -> None:
    assert HOSTILE in _rows(site.open())
    assert site.page_of(HOSTILE).all("title")[0].text == f"ERROR: {HOSTILE}"


def test_the_table_has_each_verdict_and_score(site: Site) -> None:
    rows = _rows(site.open())
    assert rows["sub-2_a.nii"][4:] == [
        FAIL,
        [[ANOMALY, FAIL, 2.5]],
        "Strange <b>place</b>, 9 ml",
        1,
    ]
    assert rows["sub-1_a.nii"][4:] == [PASS, [[ANOMALY, PASS, 0.4]], "", 1]


def test_a_scan_that_nothing_judged_is_in_the_table_without_a_verdict(site: Site) -> None:
    changed = site.rewritten(findings=()).open()
    assert {row[4] for row in _table(changed)["rows"]} == {-1}
    assert len(_rows(changed)) == 4


def test_a_finding_of_an_unknown_target_is_not_lost(site: Site) -> None:
    stray = Finding("mine", "elsewhere.nii", Verdict.FAIL, "It is <odd>.")
    changed = site.rewritten(findings=(*site.run.findings, stray))
    assert _rows(changed.open())["elsewhere.nii"][2] == TARGET_KINDS.index("unknown")
    assert changed.page_of("elsewhere.nii").all("p", "headline")[0].words == "It is <odd>"


def test_the_worst_of_two_findings_of_a_check_fills_the_cell(site: Site) -> None:
    again = Finding("anomaly", "sub-1_a.nii", Verdict.FAIL, "Worse.", 3.0, 1.0)
    changed = site.rewritten(findings=(*site.run.findings, again))
    assert _rows(changed.open())["sub-1_a.nii"][5:7] == [[[ANOMALY, FAIL, 3.0]], "Worse"]


def test_a_score_that_is_no_number_leaves_the_data_readable(site: Site) -> None:
    odd = Finding("mine", "sub-1_a.nii", Verdict.ERROR, "No number.", float("nan"))
    changed = site.rewritten(findings=(*site.run.findings, odd))
    assert _rows(changed.open())["sub-1_a.nii"][5][0][2] is None


def test_each_check_is_counted_with_its_limit_and_source(site: Site) -> None:
    (table,) = site.open().all("table", "checks")
    assert "anomaly – > 1 – 8 8 held out" in table.words
    (plot,) = [each for each in site.open().all("article", "dot-plot") if "anomaly" in each.words]
    assert "✕ FAIL 1 ✓ PASS 2" in plot.words


def test_a_check_without_scores_has_a_sentence_and_no_empty_axis(site: Site) -> None:
    plain = Finding("mine", "sub-2_a.nii", Verdict.PASS, "It is fine.")
    drawn = len(site.open().all("svg", "dots"))
    changed = site.rewritten(findings=(*site.run.findings, plain)).open()
    (plot,) = [each for each in changed.all("article", "dot-plot") if each.words.startswith("mine")]
    assert "Passes or fails, without a score." in plot.words
    assert len(changed.all("svg", "dots")) == drawn > 0


def test_a_count_leads_to_the_findings_it_counts(site: Site) -> None:
    links = [each["href"] for each in site.open().all("a", "count") if each.words == "✓ PASS 2"]
    assert links == ["#check=anomaly&verdict=PASS"]


def test_the_findings_on_the_release_are_on_the_index(site: Site) -> None:
    (article,) = site.open().all("article", "finding")
    assert "FAIL metadata 1 of 4 expectations failed" in article.words


def test_the_worst_findings_come_first_as_cards(site: Site) -> None:
    cards = site.open().all("a", "card")
    assert [card.classes[1] for card in cards] == ["fail", "error", "warn"]
    assert "Strange <b>place</b>, 9 ml" in cards[0].words
    assert (site.folder / cards[0]["href"]).is_file()


def test_what_discovery_left_out_is_listed_with_its_reason(site: Site) -> None:
    (details,) = [each for each in site.open().all("details") if "not taken" in each.text]
    assert "notes <i>.txt not a format of scans" in details.words


def test_the_origin_of_the_run_is_stated(site: Site) -> None:
    (origin,) = site.open().all("dl", "origin")
    for fact in ["Generator gen <1>", "Version 2.0", "Profile of anomaly abc123", "python 3.11"]:
        assert fact in origin.words


def test_a_failing_page_tells_sentence_score_limit_p_value_and_measures(site: Site) -> None:
    (article,) = site.page_of("sub-2_a.nii").all("article", "finding")
    assert "A <b>strange</b> place." in article.words
    assert "Score 2.5 Limit 1 p-value 0.05" in article.words
    assert "outlined_volume 1.25 ml" in article.words


def test_a_failing_page_names_the_worst_place_in_mm_and_what_the_map_means(site: Site) -> None:
    (caption,) = site.page_of("sub-2_a.nii").all("figcaption")[:1]
    i, j, k = WORST
    assert f"Worst place ({2.0 * i}, {2.0 * j}, {3.0 * k}) mm, 2.5 times the limit" in caption.words
    assert "Unusual <b>texture</b>" in caption.words
    assert "radiological convention" in caption.words


def test_a_failing_page_shows_three_slices_with_the_heatmap_over_them(site: Site) -> None:
    page = site.page_of("sub-2_a.nii")
    assert len(page.all("img", "base")) == len(page.all("img", "overlay")) == 3


@pytest.mark.parametrize(("number_", "letters"), [(0, "RLAP"), (1, "RLSI"), (2, "APSI")])
def test_each_slice_has_its_letters_on_its_sides(site: Site, number_, letters) -> None:
    marks = site.page_of("sub-2_a.nii").all("svg", "marks")[number_]
    assert marks.words.replace(" ", "") == letters


def test_the_overlay_is_brightest_at_the_crosshair(site: Site) -> None:
    page = site.page_of("sub-2_a.nii")
    lines = [each for each in page.all("line") if "class" not in each.attributes]
    vertical, _, horizontal, _ = lines[:4]
    with Image.open(site.folder / "scans" / page.all("img", "overlay")[0]["src"]) as overlay:
        pixels = np.asarray(overlay).astype(float)
    light = pixels[..., :3].sum(axis=-1) * (pixels[..., 2] < 200) * (pixels[..., 3] > 0)
    rows, columns = np.nonzero(light > 0.97 * light.max())
    assert abs(columns.mean() - float(vertical["x1"])) < 8
    assert abs(rows.mean() - float(horizontal["y1"])) < 8


def test_a_passing_scan_shows_its_middle_without_a_heatmap(site: Site) -> None:
    page = site.page_of("sub-1_a.nii")
    assert len(page.all("img", "base")) == 3
    assert page.all("img", "overlay") == []
    assert "Slices through the middle of the scan" in page.all("figcaption")[0].words


def test_the_score_is_drawn_on_the_calibration_scores(site: Site) -> None:
    (chart,) = site.page_of("sub-2_a.nii").all("figure", "chart")
    assert "this scan 2.5" in chart.words
    assert "limit 1" in chart.words
    assert "8 calibration scores: 8 held out." in chart.words


def test_a_scan_that_cannot_be_read_says_so(site: Site) -> None:
    page = site.page_of(HOSTILE)
    (note,) = page.all("p", "unreadable")
    assert note.words.startswith("No picture.")
    assert page.all("img") == []


def test_a_series_lists_its_timepoints_with_links(site: Site) -> None:
    page = site.page_of("sub-2")
    (table,) = page.all("table", "timepoints")
    assert "– 0 T1w sub-2_a.nii – 6 T1w sub-2_b.nii" in table.words
    for link in page.all("a", "path"):
        assert (site.folder / "series" / link["href"]).is_file()


def test_a_series_shows_the_scan_whose_heatmap_it_is(site: Site) -> None:
    caption = site.page_of("sub-2").all("figcaption")[0]
    assert "sub-2_a.nii · radiological" in caption.words


def test_a_series_without_a_heatmap_shows_its_last_timepoint(site: Site) -> None:
    findings = [dataclasses.replace(each, heatmap=None) for each in site.run.findings]
    caption = site.rewritten(findings=tuple(findings)).page_of("sub-2").all("figcaption")[0]
    assert "sub-2_b.nii · radiological" in caption.words


def test_a_scan_of_a_judged_series_leads_to_the_series(site: Site) -> None:
    (link,) = [each for each in site.page_of("sub-2_b.nii").all("a") if "series" in each.words]
    assert (site.folder / "scans" / link["href"]).is_file()


def _with_heatmap(site: Site, name: str) -> Document:
    findings = [
        dataclasses.replace(each, heatmap=name) if each.target == "sub-1_a.nii" else each
        for each in site.run.findings
    ]
    return site.rewritten(findings=tuple(findings)).page_of("sub-1_a.nii")


@pytest.mark.parametrize("name", ["../data/sub-1_a.nii", "/etc/hostname"])
def test_a_heatmap_outside_the_report_is_not_read(site: Site, name) -> None:
    assert (
        "lies outside the report folder" in _with_heatmap(site, name).all("p", "unreadable")[0].text
    )


def test_a_lost_heatmap_is_reported_and_the_scan_is_shown(site: Site) -> None:
    page = _with_heatmap(site, "heatmaps/lost.nii.gz")
    assert "heatmaps/lost.nii.gz cannot be drawn" in page.all("p", "unreadable")[0].words
    assert len(page.all("img", "base")) == 3


def test_a_heatmap_on_another_grid_is_not_drawn(site: Site) -> None:
    other = Heatmap(np.ones((5, 5, 5), dtype=np.float32), np.eye(4), "Other")
    finding = save_heatmap(other, site.folder, Finding("mine", "sub-1_a.nii", Verdict.FAIL, "No."))
    changed = site.rewritten(findings=(*site.run.findings, finding))
    note = changed.page_of("sub-1_a.nii").all("p", "unreadable")[0]
    assert "not on the grid of sub-1_a.nii" in note.words


def test_writing_again_leaves_no_temporary_file(site: Site) -> None:
    before = sorted(path for path in site.folder.rglob("*"))
    site.rewritten()
    assert sorted(path for path in site.folder.rglob("*")) == before


def test_importing_the_reports_loads_nothing_heavy() -> None:
    code = (
        "import sys, safegen_reports;"
        "print([name for name in ('numpy', 'PIL', 'jinja2', 'nibabel') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (2.0, "2"),
        (-1.5, "−1.5"),
        (0.02222, "0.0222"),
        (12345.6, "12,346"),
        (float("nan"), "not a number"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, text) -> None:
    assert format_number(value) == text


def test_what_got_worse_than_the_baseline_is_listed_and_leads_to_the_scans(site: Site) -> None:
    section = site.open().one("baseline")

    assert "Against gen <1> 1.0" in section.words
    assert "anomaly: 0 of 3 and now 1 of 3 failed <b>" in section.words
    assert "gone.nii, PASS before, now FAIL" in section.words


def test_without_a_baseline_no_section_compares_with_one(site: Site) -> None:
    page = site.rewritten(regression={"outcome": "first run"}).open()

    assert not any(each.attributes.get("id") == "baseline" for each in page.elements)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-20T21:31:16+00:00", "2026-11-20 21:31 UTC"),
        ("2026-11-20T23:31:16+02:00", "2026-11-20 21:31 UTC"),
        ("2026-11-20 21:31", "2026-11-20 21:31"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_time_is_shown_in_utc(text: str, shown: str) -> None:
    assert format_time(text) == shown


def test_findings_with_one_headline_are_one_line_and_no_cards(site: Site) -> None:
    reason = "No real scans to compare with."
    targets = ["sub-1_a.nii", "sub-2_a.nii", "sub-2_b.nii"]
    findings = tuple(
        Finding(check, target, Verdict.INCONCLUSIVE, reason)
        for check in ("anomaly", "memorization")
        for target in targets
    )
    changed = site.rewritten(findings=findings).open()
    (lines,) = changed.all("ul", "shared-headlines")
    assert "No real scans to compare with: 6 findings anomaly 3, memorization 3" in lines.words
    assert changed.all("a", "card") == []


def test_a_page_leads_with_the_headline_and_explains_below(site: Site) -> None:
    page = site.page_of("sub-2_a.nii")
    assert page.all("p", "headline")[0].words == "Strange <b>place</b>, 9 ml"
    assert page.all("p", "explanation")[0].words == "A <b>strange</b> place."


def test_the_table_of_measures_marks_what_is_beyond_its_limit(site: Site) -> None:
    page = site.page_of("sub-2_a.nii")
    (beyond,) = page.all("tr", "breach")
    assert beyond.words == "score ✕ FAIL 2.5 > 1 – 8 held out"


def test_a_plain_list_has_headline_and_sentence(site: Site) -> None:
    words = " ".join(row.words for row in site.open("lists/1.html").all("td"))
    assert "Strange <b>place</b>, 9 ml A <b>strange</b> place." in words
