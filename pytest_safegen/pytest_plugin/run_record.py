"""What a pytest run was: the facts of a `Run` that are known before its verdict."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.finding import Run, Verdict
from pytest_safegen.judging.applied_limits import limits_of_checks
from pytest_safegen.judging.runner import Runner
from pytest_safegen.pytest_plugin.plan import Plan
from pytest_safegen.results.provenance import limits_in_force, provenance_of

PACKAGES = ("pytest-safegen", "pytest", "numpy", "torch", "SimpleITK", "nibabel")


def record_of(plan: Plan, runner: Runner | None) -> Run:
    """The run without findings, counts and verdict; `runner` is None if nothing was judged."""
    settings = plan.settings
    generator, _, version = (settings.generator or "").partition("@")
    profiles = runner.profiles if runner else None
    device = runner.device if runner and profiles else ""
    provenance = provenance_of(settings, plan.releases, plan.detectors, profiles, device)
    return Run(
        id=uuid.uuid4().hex,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=Verdict.INCONCLUSIVE,
        reasons=(),
        roots=tuple(str(release.root) for release in plan.releases),
        mode=settings.mode,
        findings=(),
        counts={},
        generator=generator or None,
        version=version or None,
        commit=provenance.commit,
        dirty=provenance.dirty,
        config_digest=config_digest(settings, plan.detectors),
        profile_digests={"profile": profiles.digest} if profiles else {},
        calibrations=runner.calibrations() if runner and profiles else {},
        limits=limits_of_checks(plan.detectors, settings.thresholds, profiles),
        release=_digest_of_release(plan.accounting.expected),
        checks={name: str(one.scope) for name, one in plan.detectors.items()},
        environment=_environment(device),
        data_digest=provenance.data_digest,
        comparability=provenance.comparability,
        directions=provenance.directions,
    )


def config_digest(settings: Settings, detectors: Mapping[str, Detector]) -> str:
    """The digest of the settings that decide verdicts, with the limits that a file sets."""
    text = repr((settings.checks, settings.exclude_checks, sorted(settings.thresholds.items())))
    more = repr((settings.min_scans, settings.seed, sorted(settings.detectors.items())))
    limits = limits_in_force(settings, detectors)
    return hashlib.blake2b((text + more + limits).encode(), digest_size=8).hexdigest()


def _digest_of_release(expected: Iterable[tuple[str, str]]) -> str:
    text = "\n".join(sorted(f"{check}\t{target}" for check, target in expected))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _environment(device: str) -> dict[str, str]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    machine = {"python": platform.python_version(), "platform": sys.platform}
    return machine | versions | {"device": device or "cpu", "cores": str(os.cpu_count() or 1)}
