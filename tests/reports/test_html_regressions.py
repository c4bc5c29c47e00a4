"""New failures since the baseline, with the pictures of the baseline's report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from report_site import REGRESSION, SETTINGS, Site

from pytest_safegen.results.gate_json import save_run
from safegen_reports import safegen_write_report

pytestmark = pytest.mark.slow

NEW_FAILURE = "sub-2_a.nii"


def baseline_of(site: Site, folder: Path, run: str = "run-0") -> Path:
    """A report in which that scan passed, as of a run with this id."""
    findings = tuple(f for f in site.run.findings if f.target != NEW_FAILURE)
    earlier = dataclasses.replace(site.run, id=run, findings=findings, regression={})
    folder.mkdir()
    save_run(earlier, folder)
    (folder / "results.jsonl").touch()
    safegen_write_report(earlier, [site.release], folder, SETTINGS)
    return folder


def with_baseline(site: Site, folder: Path | None) -> Site:
    """The report written again beside that of the baseline."""
    settings = dataclasses.replace(SETTINGS, baseline_report=folder)
    safegen_write_report(site.run, [site.release], site.folder, settings)
    return site


def pictures(site: Site) -> list[str]:
    """The slices of the baseline that the release page shows."""
    sources = [image["src"] for image in site.open().all("img")]
    return [source for source in sources if source.startswith("images/baseline/")]


def test_a_new_failure_has_the_pictures_of_both_runs(site: Site, tmp_path: Path) -> None:
    shown = pictures(with_baseline(site, baseline_of(site, tmp_path / "earlier")))
    assert [name.rsplit("-", 1)[1] for name in shown] == [
        "axial.png",
        "coronal.png",
        "sagittal.png",
    ]
    assert all((site.folder / name).is_file() for name in shown)
    assert "2.0: ✕ FAIL" in " ".join(each.words for each in site.open().all("figcaption"))


def test_without_the_report_of_the_baseline_the_page_says_so(site: Site) -> None:
    notes = [note.words for note in with_baseline(site, None).open().all("p", "note")]
    assert "No report of the baseline was given (--safegen-baseline-report)." in notes


def test_pictures_of_another_run_are_not_shown(site: Site, tmp_path: Path) -> None:
    other = baseline_of(site, tmp_path / "earlier", run="run-7")
    assert pictures(with_baseline(site, other)) == []
    notes = " ".join(note.words for note in site.open().all("p", "note"))
    assert "is the report of another run" in notes


@pytest.mark.parametrize("corruption", ["link", "script", "huge"])
def test_what_is_no_picture_of_the_baseline_is_not_copied(
    site: Site, tmp_path: Path, corruption: str
) -> None:
    earlier = baseline_of(site, tmp_path / "earlier")
    for path in (earlier / "images").glob("*axial*"):
        content = path.read_bytes()
        path.unlink()
        if corruption == "link":
            secret = tmp_path / f"secret-{path.name}"
            secret.write_bytes(content)
            path.symlink_to(secret)
        else:
            path.write_bytes(b"<svg/>" if corruption == "script" else content + b"\0" * 3_000_000)
    assert pictures(with_baseline(site, earlier)) == []


def test_at_most_twelve_new_failures_have_pictures(site: Site, tmp_path: Path) -> None:
    one = REGRESSION["new_failures"][0]
    many = site.rewritten(regression=REGRESSION | {"new_failures": [one] * 30})
    with_baseline(many, baseline_of(site, tmp_path / "earlier"))
    assert len(many.open().all("article", "new-failure")) == 12
