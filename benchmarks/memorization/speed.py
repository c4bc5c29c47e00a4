"""How long the check takes with more reference persons than there are scans at hand."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.memorization.methods import FittedMethods
from pytest_safegen import Profile, ScanTarget

CONTROLLED_FIRST = 1  # the first scan waits for the run's controls


def seconds_with(
    persons: int, methods: FittedMethods, targets: Sequence[ScanTarget]
) -> Mapping[str, Any]:
    """Median wall and processor seconds a scan, prepared, with so many persons in the index."""
    profile = enlarged(methods.profile, persons)
    taken = []
    for target in targets:
        wall, processor = time.perf_counter(), time.process_time()
        methods.detector.open(profile, device="cpu").score([target])
        taken.append((time.perf_counter() - wall, time.process_time() - processor))
    walls, processors = np.median(taken[CONTROLLED_FIRST:], axis=0)
    return {
        "persons": persons,
        "cores": os.cpu_count(),
        "scans": len(taken) - CONTROLLED_FIRST,
        "wall": round(float(walls), 3),
        "processor": round(float(processors), 3),
    }


def enlarged(profile: Profile, persons: int) -> Profile:
    """The profile with made-up persons, whose blocks are those of real ones in other places."""
    own = np.asarray(profile.arrays["descriptors"])
    random = np.random.default_rng(0)
    more = [own[n % len(own)][random.permutation(own.shape[1])] for n in range(persons)]
    names = [*profile.facts["persons"], *(f"made-up-{n}" for n in range(persons))][:persons]
    arrays = {**profile.arrays, "descriptors": np.concatenate([own, np.stack(more)])[:persons]}
    return replace(
        profile, arrays=arrays, facts={**profile.facts, "subjects": names, "persons": names}
    )
