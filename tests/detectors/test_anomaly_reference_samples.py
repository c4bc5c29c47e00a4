"""From targets to samples, whether a reference fits, and the methods by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anomaly_gate import prepared, references, template
from scipy import ndimage

from pytest_safegen import NotJudged, UsageProblem
from pytest_safegen.prepare.resample import resample
from pytest_safegen.testing import phantom, targets
from safegen_detectors.anomaly.options import DEFAULT_METHODS, METHOD_NAMES, methods_named
from safegen_detectors.anomaly.reference.samples import (
    MAX_DEVIATIONS,
    reference_samples,
    reject_dissimilar,
    sample_of,
    similarity_facts,
)

pytestmark = pytest.mark.slow

SIMILARITY = {"middle": 1.0, "spread": 0.1}


# samples


def test_a_voxel_of_the_own_grid_is_found_where_the_template_shows_it() -> None:
    target = prepared(3)
    sample = sample_of(target)
    assert target.own is not None

    again = resample(
        sample.own.astype(np.float32),
        np.eye(4),
        to_affine=np.linalg.inv(sample.to_template),
        to_shape=sample.aligned.shape,
    )

    inside = ndimage.binary_erosion(sample.aligned > 0.2, iterations=2)
    np.testing.assert_allclose(again[inside], sample.aligned[inside].astype(float), atol=2e-3)


def test_a_new_scan_is_rounded_as_the_reference_is() -> None:
    sample = sample_of(prepared(3))

    assert (sample.own.dtype, sample.aligned.dtype) == (np.float16, np.float16)


def test_a_sample_knows_its_patient_spacing_and_pathology() -> None:
    scan = phantom(3)
    mask = np.zeros(scan.voxels.shape, dtype=bool)
    mask[20, 24, 20] = True
    target = targets([replace(scan, mask=mask)], template())[0]

    sample = sample_of(target)

    assert (sample.patient, sample.spacing) == ("sub-03", 4.0)
    assert sample.pathology is not None
    np.testing.assert_array_equal(sample.pathology, mask)
    assert sample_of(prepared(3)).pathology is None


def test_a_scan_that_is_not_prepared_is_no_sample() -> None:
    with pytest.raises(NotJudged, match="upside down"):
        sample_of(replace(prepared(3), own=None, unprepared="it is upside down"))


def test_the_samples_of_a_reference_come_in_its_order() -> None:
    samples, bodies, one = reference_samples(references(range(3)))

    assert [sample.patient for sample in samples] == ["sub-00", "sub-01", "sub-02"]
    assert [body.shape for body in bodies] == [one.voxels.shape] * 3


def test_no_scan_teaches_nothing() -> None:
    with pytest.raises(ValueError, match="no scan to learn from"):
        reference_samples([])


def test_a_sample_is_frozen() -> None:
    with pytest.raises(AttributeError):
        sample_of(prepared(3)).patient = "other"  # type: ignore[misc]


# reference


def alike(similarity: float | None) -> object:
    target = prepared(3)
    assert target.prepared is not None
    return replace(target, prepared=replace(target.prepared, similarity=similarity))


@pytest.mark.parametrize("away", [-MAX_DEVIATIONS + 0.1, 0.0, 5.0])
def test_a_scan_about_as_alike_as_real_scans_is_judged(away: float) -> None:
    reject_dissimilar(alike(float(np.tanh(1.0 + 0.1 * away))), SIMILARITY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "similarity", [-0.9, -0.2, float(np.tanh(1 - 0.1 * (MAX_DEVIATIONS + 0.1)))]
)
def test_a_scan_much_less_alike_is_not_judged_and_told_how_much(similarity: float) -> None:
    with pytest.raises(NotJudged, match=rf"correlates .* by {similarity:.2f}, .* about 0\.76"):
        reject_dissimilar(alike(similarity), SIMILARITY)  # type: ignore[arg-type]


def test_a_scan_of_unknown_likeness_is_judged() -> None:
    reject_dissimilar(alike(None), SIMILARITY)  # type: ignore[arg-type]


def test_the_likeness_of_real_scans_is_a_median_and_a_spread() -> None:
    known = [alike(float(np.tanh(z))) for z in (0.5, 1.0, 1.5)]

    facts = similarity_facts(known)  # type: ignore[arg-type]

    assert facts == pytest.approx({"middle": 1.0, "spread": 1.4826 * 0.5})


def test_real_scans_all_alike_still_have_a_spread() -> None:
    assert similarity_facts([alike(0.9)] * 4)["spread"] > 0  # type: ignore[list-item]


# methods


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_each_method_is_known_by_its_name(name: str) -> None:
    (method,) = methods_named([name], {})

    assert method.name == name


def test_the_default_methods_come_in_order() -> None:
    assert [method.name for method in methods_named(DEFAULT_METHODS, {})] == list(DEFAULT_METHODS)


def test_a_method_gets_its_own_options() -> None:
    (method,) = methods_named(["diffusion"], {"diffusion": {"steps": 3}, "autoencoder": {"x": 1}})

    assert method.steps == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        ([], {}, "is empty"),
        (["atlas", "atlas"], {}, "repeats one"),
        (["atlas", "magic"], {}, "'magic' is none"),
        (["atlas"], {"magic": {}}, "'magic' is none"),
        (["autoencoder"], {"autoencoder": {"stepps": 3}}, "stepps"),
        (["atlas"], {"atlas": {"steps": 3}}, "steps"),
    ],
)
def test_what_is_no_method_or_option_is_refused(
    names: list[str], options: dict[str, dict[str, int]], said: str
) -> None:
    with pytest.raises(UsageProblem, match=said):
        methods_named(names, options)
