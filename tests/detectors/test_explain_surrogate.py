"""The light predictor learns a score that its volumes show, and says how well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safegen_detectors.explain.surrogate import (
    SurrogateNetwork,
    TrainedSurrogate,
    from_arrays,
    pooled,
    to_arrays,
    train_surrogate,
)

pytestmark = pytest.mark.slow

SHAPE = (10, 11, 9)
SAMPLES = 60
STEPS = 60


def cohort(seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Volumes with a bright cube somewhere; the score is how bright it is."""
    random = np.random.default_rng(seed)
    volumes = 0.5 + 0.05 * random.normal(size=(SAMPLES, 1, *SHAPE))
    brightness = random.uniform(0.1, 3.0, SAMPLES)
    for volume, height in zip(volumes, brightness, strict=True):
        i, j, k = random.integers(0, 6, 3)
        volume[0, i : i + 4, j : j + 4, k : k + 3] += height
    return torch.from_numpy(volumes.astype(np.float32)), np.exp(brightness)


@pytest.fixture(scope="module")
def trained() -> TrainedSurrogate:
    return train_surrogate(*cohort(), seed=0, steps=STEPS)


def test_a_score_that_the_volumes_show_is_foretold(trained: TrainedSurrogate) -> None:
    assert trained.rank_correlation > 0.8


def test_a_score_that_they_do_not_show_is_not() -> None:
    volumes, scores = cohort()
    shuffled = np.random.default_rng(5).permutation(scores)
    assert abs(train_surrogate(volumes, shuffled, seed=0, steps=20).rank_correlation) < 0.7


def test_the_correlation_is_that_of_new_samples_too(trained: TrainedSurrogate) -> None:
    volumes, scores = cohort(seed=1)
    with torch.no_grad():
        foretold = from_arrays(trained.arrays)(volumes)[:, 0].numpy()
    ranks = [side.argsort().argsort() for side in (foretold, scores)]
    assert np.corrcoef(*ranks)[0, 1] > 0.8


def test_what_is_foretold_is_the_log_of_the_score(trained: TrainedSurrogate) -> None:
    volumes, scores = cohort(seed=1)
    with torch.no_grad():
        foretold = from_arrays(trained.arrays)(volumes)[:, 0].numpy()
    assert np.median(np.abs(foretold - np.log(scores))) < 0.35


def test_a_fifth_of_the_samples_is_held_out(trained: TrainedSurrogate) -> None:
    assert trained.held_out == SAMPLES // 5


def test_all_samples_of_a_patient_are_held_out_together() -> None:
    volumes, scores = cohort()
    patients = [f"sub-{n // 4}" for n in range(SAMPLES)]
    found = train_surrogate(volumes, scores, seed=0, steps=1, patients=patients)
    assert found.held_out == 4 * round(len(set(patients)) / 5)


def test_the_same_seed_learns_the_same_weights() -> None:
    first, second = (train_surrogate(*cohort(), seed=3, steps=3).arrays for _ in range(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_another_seed_learns_others() -> None:
    first, second = (train_surrogate(*cohort(), seed=seed, steps=3).arrays for seed in (3, 4))
    assert not np.array_equal(first["readout.weight"], second["readout.weight"])


def test_learning_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    train_surrogate(*cohort(), seed=0, steps=1)
    assert torch.equal(torch.rand(1), expected)


def test_weights_come_back_from_arrays_as_they_were(trained: TrainedSurrogate) -> None:
    volumes, _ = cohort(seed=2)
    module = from_arrays(trained.arrays)
    again = from_arrays(to_arrays(module))
    torch.testing.assert_close(again(volumes), module(volumes), atol=0, rtol=0)
    assert not module.training


def test_every_relu_is_used_once_and_none_in_place() -> None:
    """What shap's DeepExplainer needs."""
    module, used = SurrogateNetwork(SHAPE).eval(), []
    active = [part for part in module.modules() if isinstance(part, torch.nn.ReLU)]
    for part in active:
        part.register_forward_hook(lambda part, *_: used.append(part))
    module(torch.zeros(1, 1, *SHAPE))
    assert used == active
    assert not any(part.inplace for part in active)


def test_constant_volumes_are_no_division_by_zero() -> None:
    volumes = torch.zeros(12, 1, *SHAPE)
    found = train_surrogate(volumes, np.full(12, 2.0), seed=0, steps=2)
    assert found.rank_correlation == 0.0
    assert all(np.isfinite(array).all() for array in found.arrays.values())


@pytest.mark.parametrize("change", [{"scores": np.zeros(SAMPLES)}, {"patients": ["a"] * SAMPLES}])
def test_what_cannot_be_learned_from_is_refused(change: dict[str, object]) -> None:
    volumes, scores = cohort()
    with pytest.raises(ValueError, match="a predictor needs 10 patients"):
        train_surrogate(volumes, **{"scores": scores, "seed": 0, "steps": 1, **change})  # type: ignore[arg-type]


def test_pooling_takes_the_means_of_cubes() -> None:
    voxels = torch.arange(4 * 4 * 5, dtype=torch.float32).reshape(4, 4, 5)
    found = pooled(voxels, factor=2)
    assert found.shape == (1, 2, 2, 2)
    assert float(found[0, 0, 1, 1]) == pytest.approx(float(voxels[:2, 2:4, 2:4].mean()))
