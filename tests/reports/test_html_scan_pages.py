"""The maps that explain a finding are on its page: named, over the same slices, selectable."""

from __future__ import annotations

import dataclasses
from urllib.parse import unquote

import pytest
from report_site import AFFINE, Document, Element, Site, heatmap_on

from pytest_safegen.judging.heatmaps import save_layer

pytestmark = pytest.mark.slow


@pytest.fixture
def page(explained: Site) -> Document:
    return explained.page_of("sub-2_a.nii")


def _still_radios(page: Document) -> list[Element]:
    """Those beside the still pictures; the viewer has its own."""
    return [
        each for each in page.all("input") if each.attributes.get("name", "").startswith("map-")
    ]


def test_a_finding_without_layers_offers_no_choice(site: Site) -> None:
    page = site.page_of("sub-2_a.nii")
    assert (page.all("fieldset", "choice"), page.all("section", "map")) == ([], [])


def test_each_map_has_its_name_as_headline(page: Document) -> None:
    names = [each.words for each in page.all("h3")]
    assert names == ["Map “score”", "Map “grad-cam”", "Map “shap”"]


def test_each_map_says_what_it_means_and_has_a_colour_scale(page: Document) -> None:
    layers = page.all("section", "map")
    assert "What the <i>last</i> layer looks at, in units of its limit" in layers[1].words
    assert "Share of each place in the score, in units of its limit" in layers[2].words
    assert all("1.0 limit" in layer.words for layer in layers)


def test_each_map_is_drawn_in_three_slices(page: Document) -> None:
    assert len(page.all("img", "overlay")) == 9
    assert len({each["src"] for each in page.all("img", "overlay")}) == 9


def test_all_maps_lie_over_the_same_slices(page: Document) -> None:
    assert len({each["src"] for each in page.all("img", "base")}) == 3


def test_every_picture_is_a_file(explained: Site, page: Document) -> None:
    for each in page.all("img"):
        assert (explained.folder / "scans" / unquote(each["src"])).is_file()


def test_a_map_whose_worst_place_is_elsewhere_says_where(page: Document) -> None:
    score, grad_cam, shap = (each.words for each in page.all("section", "map"))
    assert "Worst place (18.0, 8.0, 6.0) mm, 1.5 times the limit" in shap
    assert "The slices go through the worst place of the first map, (6.0, 16.0, 18.0) mm" in shap
    assert "of the first map" not in score + grad_cam


def test_the_choice_is_a_labelled_group_of_one_radio_button_a_map(page: Document) -> None:
    (choice,) = page.all("fieldset", "choice")
    radios = _still_radios(page)
    assert choice.words.startswith("Map over the slices")
    assert choice.words.endswith("score grad-cam shap")
    assert [each["value"] for each in radios] == ["0", "1", "2"]
    assert len({each["name"] for each in radios}) == 1
    assert [("checked" in each.attributes) for each in radios] == [True, False, False]


def test_each_map_is_a_region_named_by_its_headline(page: Document) -> None:
    for section, headline in zip(page.all("section", "map"), page.all("h3"), strict=True):
        assert section["aria-labelledby"] == headline["id"]


def test_the_choices_of_two_findings_are_apart(explained: Site) -> None:
    second = dataclasses.replace(explained.run.findings[1], check="other")
    changed = explained.rewritten(findings=(*explained.run.findings, second))
    radios = _still_radios(changed.page_of("sub-2_a.nii"))
    assert len({each["name"] for each in radios}) == 2
    assert len({each["id"] for each in changed.page_of("sub-2_a.nii").all("h3")}) == 6


def test_layers_without_a_heatmap_are_shown_through_the_first_one(explained: Site) -> None:
    page = explained.with_failing(heatmap=None).page_of("sub-2_a.nii")
    assert [each.words for each in page.all("h3")] == ["Map “grad-cam”", "Map “shap”"]
    assert len({each["src"] for each in page.all("img", "base")}) == 3


def test_a_lost_layer_is_reported_and_the_others_are_shown(explained: Site) -> None:
    layers = {**explained.run.findings[1].layers, "gone": "heatmaps/gone.nii.gz"}
    page = explained.with_failing(layers=layers).page_of("sub-2_a.nii")
    assert "heatmaps/gone.nii.gz cannot be drawn" in page.all("section", "map")[3].words
    assert len(page.all("img", "overlay")) == 9


@pytest.mark.parametrize("path", ["../data/sub-1_a.nii", "/etc/hostname"])
def test_a_layer_outside_the_report_is_not_read(explained: Site, path: str) -> None:
    page = explained.with_failing(layers={"odd": path}).page_of("sub-2_a.nii")
    assert "lies outside the report folder" in page.all("p", "unreadable")[0].words


def test_a_hostile_name_of_a_layer_makes_no_element(explained: Site) -> None:
    path = explained.run.findings[1].layers["shap"]
    page = explained.with_failing(layers={"<b>shap</b>": path}).page_of("sub-2_a.nii")
    assert page.all("h3")[1].words == "Map “<b>shap</b>”"
    assert [each.words for each in page.all("b") if "shap" in each.words] == []


def test_a_layer_of_another_timepoint_is_drawn_over_its_own_scan(explained: Site) -> None:
    growing = next(each for each in explained.run.findings if each.target == "sub-2")
    other = dataclasses.replace(heatmap_on(AFFINE, of="sub-2_b.nii"), name="later")
    changed = explained.rewritten(findings=(save_layer(other, explained.folder, growing),))
    captions = [each.words for each in changed.page_of("sub-2").all("figcaption")[:2]]
    assert ["sub-2_a.nii ·" in captions[0], "sub-2_b.nii ·" in captions[1]] == [True, True]
