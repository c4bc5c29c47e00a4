"""What detectors learned from real scans: a bundle per modality, and the set of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_safegen.core.score import Profile
from pytest_safegen.prepare.template import Template

ANY_MODALITY = ""

HOLDOUT = "patients of the holdout folder"
"""The `Profile.calibration_source` of patients that nothing was learned from."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The template and the profiles of one modality; `problem` says why there are none.

    `headline` is the problem in at most 90 characters.
    """

    template: Template | None
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    problem: str = ""
    headline: str = ""


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """The bundles by modality, and the profiles of detectors that judge the release as a whole."""

    digest: str
    bundles: Mapping[str, Bundle]
    release: Mapping[str, Profile]
    left_out: tuple[str, ...] = ()

    def bundle(self, modality: str | None) -> Bundle:
        """The bundle for a scan of that modality; the only one there is fits any scan."""
        if (modality or ANY_MODALITY) in self.bundles:
            return self.bundles[modality or ANY_MODALITY]
        if len(self.bundles) == 1:
            return next(iter(self.bundles.values()))
        known = ", ".join(sorted(filter(None, self.bundles)))
        return Bundle(
            None,
            problem=f"the real scans are {known}, and the modality of this scan is "
            f"{modality or 'unknown'}: name it in the file name or in safegen.tsv",
            headline=f"No real scans of modality {modality}"
            if modality
            else "Unknown modality: cannot choose the real scans",
        )
