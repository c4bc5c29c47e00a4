"""Profiles come back as they were saved, and what is no profile is refused in a sentence."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from stand_in import StandIn, profile_of, set_of, template_4mm

from pytest_safegen.core.errors import ProfileError
from pytest_safegen.profiles.io import load_profiles, save_profiles
from pytest_safegen.profiles.model import Bundle, ProfileSet

KNOWN = {"stand-in": StandIn()}


def profile_set() -> ProfileSet:
    release = {"metadata": profile_of("metadata", scores=())}
    return replace(set_of(profile_of()), release=release, left_out=("a is broken.",))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "brain.safegen"
    save_profiles(profile_set(), path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The profile with another header."""
    with safe_open(path, framework="numpy") as stream:
        header = json.loads(stream.metadata()["safegen"])
        tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118  no dict
    change(header)
    save_file(tensors, path, metadata={"safegen": json.dumps(header)})
    return path


def refused(path: Path) -> str:
    with pytest.raises(ProfileError) as caught:
        load_profiles(path, KNOWN)
    return str(caught.value)


def test_a_profile_comes_back_as_it_was(saved: Path) -> None:
    profile, expected = (
        load_profiles(saved, KNOWN).bundles["T1w"].profiles["stand-in"],
        profile_of(),
    )
    fields = ("detector", "digest", "facts", "calibration_source", "reference_count")
    assert [getattr(profile, f) for f in fields] == [getattr(expected, f) for f in fields]


def test_arrays_come_back_as_they_were(saved: Path) -> None:
    profile = load_profiles(saved, KNOWN).bundles["T1w"].profiles["stand-in"]
    np.testing.assert_array_equal(profile.arrays["mean"], profile_of().arrays["mean"])


def test_calibration_scores_come_back_as_they_were(saved: Path) -> None:
    profile = load_profiles(saved, KNOWN).bundles["T1w"].profiles["stand-in"]
    assert profile.calibration.tolist() == [1.0, 2.0, 3.0]


def test_the_template_comes_back_within_half_precision(saved: Path) -> None:
    template = load_profiles(saved, KNOWN).bundles["T1w"].template
    assert template is not None
    np.testing.assert_allclose(template.voxels, template_4mm().voxels, atol=1e-3)


def test_the_options_of_the_template_come_back(saved: Path) -> None:
    template = load_profiles(saved, KNOWN).bundles["T1w"].template
    assert template is not None
    assert template.options == template_4mm().options


def test_what_was_left_out_comes_back(saved: Path) -> None:
    assert load_profiles(saved, KNOWN).left_out == ("a is broken.",)


def test_profiles_of_the_release_come_back(saved: Path) -> None:
    assert list(load_profiles(saved, KNOWN).release) == ["metadata"]


def test_loading_twice_and_saving_gives_the_same_file(saved: Path, tmp_path: Path) -> None:
    save_profiles(load_profiles(saved, KNOWN), tmp_path / "again.safegen")
    first, again = (load_profiles(path, KNOWN) for path in (saved, tmp_path / "again.safegen"))
    one, two = first.bundles["T1w"].template, again.bundles["T1w"].template
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.voxels, two.voxels)


@pytest.mark.parametrize("part", ["voxels", "body"])
def test_the_template_cannot_be_written_to(saved: Path, part: str) -> None:
    assert not getattr(load_profiles(saved, KNOWN).bundles["T1w"].template, part).flags.writeable


def test_arrays_cannot_be_written_to(saved: Path) -> None:
    arrays = load_profiles(saved, KNOWN).bundles["T1w"].profiles["stand-in"].arrays
    assert not arrays["mean"].flags.writeable


def test_a_bundle_without_a_template_says_why(tmp_path: Path) -> None:
    bundle = Bundle(None, problem="the reference has 9 patients", headline="Too few patients")
    save_profiles(ProfileSet("d", {"T1w": bundle}, {}), tmp_path / "few.safegen")
    assert load_profiles(tmp_path / "few.safegen", KNOWN).bundles["T1w"] == bundle


def test_the_file_is_safetensors(saved: Path) -> None:
    length = int.from_bytes(saved.read_bytes()[:8], "little")
    header = json.loads(saved.read_bytes()[8 : 8 + length])
    assert "T1w/stand-in/mean" in header


def test_the_file_is_no_pickle(saved: Path) -> None:
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(saved.read_bytes())  # noqa: S301  written by this test


def test_no_half_written_file_stays(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == ["brain.safegen"]


def test_the_folder_of_a_profile_is_made(tmp_path: Path) -> None:
    save_profiles(profile_set(), tmp_path / "new" / "deep" / "brain.safegen")
    assert (tmp_path / "new" / "deep" / "brain.safegen").is_file()


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    assert "gone.safegen cannot be read" in refused(tmp_path / "gone.safegen")


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    assert tmp_path.name in refused(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"hello", b"\x80\x04N.", b"\xff" * 64, b"{}" * 40])
def test_another_file_is_no_profile(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.safegen").write_bytes(raw)
    assert "a.safegen is not a profile" in refused(tmp_path / "a.safegen")


def test_safetensors_of_something_else_are_no_profile(tmp_path: Path) -> None:
    save_file({"weight": np.ones(3)}, tmp_path / "a.safegen", metadata={"format": "pt"})
    assert "a.safegen is not a profile" in refused(tmp_path / "a.safegen")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_truncated_profile_is_refused(saved: Path, share: float) -> None:
    raw = saved.read_bytes()
    saved.write_bytes(raw[: int(share * len(raw))])
    assert "brain.safegen is not a profile" in refused(saved)


def test_a_profile_of_another_format_says_to_fit_again(saved: Path) -> None:
    assert "fit it again" in refused(rewritten(saved, lambda header: header.update(format=2)))


def test_a_profile_of_another_version_of_a_check_says_to_fit_again(saved: Path) -> None:
    with pytest.raises(ProfileError, match=r"version 1 of the check stand-in.*fit it again"):
        load_profiles(saved, {"stand-in": StandIn(version="2")})


def test_the_version_of_a_check_that_is_not_in_force_does_not_matter(saved: Path) -> None:
    assert load_profiles(saved, {"other": StandIn("other", "2")}).digest == "d"


def test_a_refusal_is_one_paragraph(saved: Path) -> None:
    saved.write_bytes(b"hello")
    assert "\n" not in refused(saved)


PROFILE = ("bundles", "T1w", "profiles", "stand-in")
TEMPLATE = ("bundles", "T1w", "template")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*PROFILE, "calibration"), [float("nan")]),
        ((*PROFILE, "calibration"), ["high"]),
        ((*PROFILE, "calibration"), None),
        ((*PROFILE, "arrays"), ["gone"]),
        ((*PROFILE, "arrays"), 3),
        ((*PROFILE, "reference_count"), "many"),
        (PROFILE, 3),
        (("bundles", "T1w", "profiles"), []),
        (("bundles",), []),
        (("bundles", "T1w"), None),
        (("release",), None),
        (("left_out",), 3),
        ((*TEMPLATE, "affine"), [[1.0]]),
        ((*TEMPLATE, "affine"), [[float("inf")] * 4] * 4),
        ((*TEMPLATE, "options"), {"spacing": 1.0}),
        ((*TEMPLATE, "options", "spacing"), 0.0),
        ((*TEMPLATE, "options", "spacing"), float("nan")),
        ((*TEMPLATE, "options", "spacing"), "fine"),
    ],
)
def test_a_damaged_header_is_refused(saved: Path, place: tuple[str, ...], value: Any) -> None:
    def change(header: dict[str, Any]) -> None:
        for key in place[:-1]:
            header = header[key]
        header[place[-1]] = value

    assert "is not a profile" in refused(rewritten(saved, change))


@pytest.mark.parametrize("key", ["format", "digest", "bundles", "release", "left_out"])
def test_a_header_without_one_of_its_parts_is_refused(saved: Path, key: str) -> None:
    assert "is not a profile" in refused(rewritten(saved, lambda header: header.pop(key)))


@pytest.mark.parametrize("key", ["version", "facts", "prefix", "digest"])
def test_a_profile_without_one_of_its_parts_is_refused(saved: Path, key: str) -> None:
    def change(header: dict[str, Any]) -> None:
        header["bundles"]["T1w"]["profiles"]["stand-in"].pop(key)

    assert "is not a profile" in refused(rewritten(saved, change))


def cohort(*modalities: str) -> ProfileSet:
    return ProfileSet("d", {name: Bundle(None, problem=name) for name in modalities}, {})


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (("T1w", "T2w"), "T2w", "T2w"),
        (("T1w",), "T1w", "T1w"),
        (("T1w",), None, "T1w"),
        (("",), "T1w", ""),
        (("", "T1w"), None, ""),
        (("", "T1w"), "T1w", "T1w"),
    ],
)
def test_a_scan_gets_the_bundle_of_its_modality(
    there: tuple[str, ...], asked: str | None, expected: str
) -> None:
    assert cohort(*there).bundle(asked).problem == expected


@pytest.mark.parametrize(("asked", "shown"), [("FLAIR", "FLAIR"), (None, "unknown")])
def test_a_scan_of_an_unknown_modality_gets_none(asked: str | None, shown: str) -> None:
    bundle = cohort("T1w", "T2w").bundle(asked)
    assert bundle.problem.startswith(
        f"the real scans are T1w, T2w, and the modality of this scan is {shown}"
    )
