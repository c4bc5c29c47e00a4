"""The options of the settings file: what they make of the check, and of the digests of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_safegen.config.plugins import build_manager, detectors
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.profiles.digest import digest_of
from pytest_safegen.pytest_plugin.run_record import config_digest
from pytest_safegen.results.provenance import comparability_of
from safegen_detectors.longitudinal.calibrate import Calibration, write_calibration
from safegen_detectors.longitudinal.inputs.columns import METADATA_COLUMNS
from safegen_detectors.longitudinal.options import OPTIONS, detector_from

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "longitudinal.md"
IDENTITY = ("local_match", "self_similarity_distance", "gradient_match")


def settings_with(root: Path, calibration: Calibration) -> Settings:
    """Settings that name a file of limits, always of one name."""
    write_calibration(calibration, root / "limits.json")
    return Settings(root, detectors={"longitudinal": {"limits": "limits.json"}})


def comparability(settings: Settings) -> dict[str, str]:
    return comparability_of(settings, detectors(build_manager(settings), settings), None, "")


def profile_digest(settings: Settings) -> str:
    return digest_of([], detectors(build_manager(settings), settings))


def identity_pairs(local_match: float) -> Calibration:
    """Five pairs of one patient and twelve of two; only the votes depend on them."""
    same = dict(zip(IDENTITY, ((local_match,) * 5, (0.1,) * 5, (0.9,) * 5), strict=True))
    different = dict(zip(IDENTITY, ((0.3,) * 12, (0.35,) * 12, (0.4,) * 12), strict=True))
    return Calibration({}, {"T1w": same}, {"T1w": different})


CHANGES = [
    (Calibration({"local_match": (0.8,) * 25}), Calibration({"local_match": (0.7,) * 25})),
    (identity_pairs(0.8), identity_pairs(0.7)),
]


@pytest.mark.parametrize(("first", "second"), CHANGES, ids=["rules", "votes"])
def test_new_limits_in_a_file_of_the_same_name_are_not_comparable(tmp_path, first, second):
    before = comparability(settings_with(tmp_path, first))
    after = comparability(settings_with(tmp_path, second))

    assert before["limits and options"] != after["limits and options"]


@pytest.mark.parametrize(("first", "second"), CHANGES, ids=["rules", "votes"])
def test_new_limits_in_a_file_of_the_same_name_change_the_config_digest(tmp_path, first, second):
    digests = set()
    for calibration in (first, second):
        settings = settings_with(tmp_path, calibration)
        digests.add(config_digest(settings, detectors(build_manager(settings), settings)))

    assert len(digests) == 2


@pytest.mark.parametrize(("first", "second"), CHANGES, ids=["rules", "votes"])
def test_new_limits_in_a_file_of_the_same_name_change_the_profile_digest(tmp_path, first, second):
    before = profile_digest(settings_with(tmp_path, first))
    after = profile_digest(settings_with(tmp_path, second))

    assert before != after


def test_the_same_limits_written_again_are_comparable(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (settings_with(tmp_path / name, CHANGES[0][0]) for name in ("a", "b"))

    assert comparability(one) == comparability(other)


def test_a_rule_names_the_file_of_its_limits_with_the_digest(tmp_path):
    calibration = CHANGES[0][0]
    write_calibration(calibration, tmp_path / "limits.json")

    detector = detector_from({"limits": "limits.json"}, root=tmp_path)

    assert f"limits.json (digest {calibration.digest})" in detector.rules["local_match"].source


def test_a_column_is_a_default_for_every_scan(tmp_path):
    detector = detector_from({"pathology": "glioblastoma"}, root=tmp_path)

    assert detector.default_labels == {"pathology": "glioblastoma"}


def test_an_unknown_deformation_mode_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UsageProblem, match="expected one of auto, always, never"):
        detector_from({"deformation": "sometimes"}, root=tmp_path)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_on_the_page(option):
    assert option in PAGE.read_text(encoding="utf-8")


def test_every_column_says_what_it_means():
    assert all(METADATA_COLUMNS.values())
