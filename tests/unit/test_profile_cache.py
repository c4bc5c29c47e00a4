"""The cache keeps the profiles used last, and removes nothing that is not its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors.numpy import save_file
from stand_in import StandIn, profile_of, set_of

from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import ProfileError
from pytest_safegen.profiles.cache import MOST_PROFILES, ProfileCache
from pytest_safegen.profiles.io import save_profiles
from pytest_safegen.profiles.model import ProfileSet
from pytest_safegen.profiles.source import profiles_for
from pytest_safegen.testing import write_cohort

LONG_AGO = 1_000_000.0


def digest(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def cache(tmp_path: Path) -> ProfileCache:
    """A cache with more profiles than it keeps; the higher the number, the later it was used."""
    cache = ProfileCache(tmp_path / ".safegen" / "profiles")
    for number in range(MOST_PROFILES + 5):
        path = cache.path(digest(number))
        save_profiles(set_of(profile_of()), path)
        os.utime(path, (LONG_AGO + number, LONG_AGO + number))
    return cache


def names(cache: ProfileCache) -> list[str]:
    return sorted(path.stem for path in cache.folder.iterdir())


def test_the_profiles_used_last_are_kept(cache: ProfileCache) -> None:
    cache.prune()
    assert names(cache) == [digest(n) for n in range(5, MOST_PROFILES + 5)]


def test_a_profile_that_was_used_again_is_kept(cache: ProfileCache) -> None:
    cache.mark_used(cache.path(digest(0)))
    cache.prune()
    assert names(cache) == [digest(n) for n in (0, *range(6, MOST_PROFILES + 5))]


def test_profiles_in_use_are_kept_however_many(cache: ProfileCache) -> None:
    for path in cache.folder.iterdir():
        cache.mark_used(path)
    cache.prune()
    assert len(names(cache)) == MOST_PROFILES + 5


@pytest.mark.parametrize("name", ["brain.safegen", f"{digest(99)}.txt", f"partial-1-{digest(9)}"])
def test_a_file_of_another_name_is_never_removed(cache: ProfileCache, name: str) -> None:
    path = cache.folder / name
    save_profiles(set_of(profile_of()), path)
    os.utime(path, (0, 0))
    cache.prune()
    assert path.is_file()


def test_a_file_that_is_no_profile_is_never_removed(cache: ProfileCache) -> None:
    text, weights = cache.path(digest(98)), cache.path(digest(99))
    text.write_text("mine")
    save_file({"a": profile_of().calibration}, weights)
    for path in (text, weights):
        os.utime(path, (0, 0))
    cache.prune()
    assert text.is_file()
    assert weights.is_file()


def test_a_link_is_never_removed(cache: ProfileCache, tmp_path: Path) -> None:
    target, link = tmp_path / "brain.safegen", cache.path(digest(99))
    save_profiles(set_of(profile_of()), target)
    os.utime(target, (0, 0))
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("links cannot be made here")
    cache.prune()
    assert link.is_symlink()


def test_a_profile_that_is_gone_is_not_made_by_its_use(cache: ProfileCache) -> None:
    cache.mark_used(cache.path(digest(99)))
    assert not cache.path(digest(99)).exists()


def test_the_use_of_a_file_elsewhere_is_not_noted(cache: ProfileCache, tmp_path: Path) -> None:
    path = tmp_path / "brain.safegen"
    save_profiles(set_of(profile_of()), path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    cache.mark_used(path)
    assert path.stat().st_mtime == LONG_AGO


def fitted(root: Path, *, seed: int = 0) -> ProfileSet:
    settings = Settings(root, reference=(root / "real",), seed=seed, device="cpu")
    profiles = profiles_for(settings, {"stand-in": StandIn()})
    assert profiles is not None
    return profiles


def test_a_fit_prunes_and_keeps_its_own_profile(cache: ProfileCache, tmp_path: Path) -> None:
    write_cohort(tmp_path / "real", range(3))
    assert fitted(tmp_path).digest in names(cache)
    assert len(names(cache)) == MOST_PROFILES


def test_a_profile_from_the_cache_counts_as_used(tmp_path: Path) -> None:
    write_cohort(tmp_path / "real", range(3))
    path = ProfileCache(tmp_path / ".safegen" / "profiles").path(fitted(tmp_path).digest)
    os.utime(path, (LONG_AGO, LONG_AGO))
    fitted(tmp_path)
    assert path.stat().st_mtime > LONG_AGO


def test_a_profile_from_the_cache_prunes_nothing(cache: ProfileCache, tmp_path: Path) -> None:
    write_cohort(tmp_path / "real", range(3))
    fitted(tmp_path)
    extra = cache.path(digest(0))
    save_profiles(set_of(profile_of()), extra)
    os.utime(extra, (LONG_AGO, LONG_AGO))
    fitted(tmp_path)
    assert extra.is_file()


def test_a_fit_that_fails_prunes_nothing(cache: ProfileCache, tmp_path: Path) -> None:
    for path in write_cohort(tmp_path / "real", [1]).rglob("*.nii.gz"):
        path.write_bytes(b"no scan")
    with pytest.raises(ProfileError):
        fitted(tmp_path)
    assert len(names(cache)) == MOST_PROFILES + 5


def test_profiles_that_another_run_removes_meanwhile_are_no_problem(
    cache: ProfileCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = cache.path("f" * 32)
    found = cache._profiles()
    monkeypatch.setattr(ProfileCache, "_profiles", lambda _: [gone, *found])
    cache.prune()
    assert not gone.exists()
