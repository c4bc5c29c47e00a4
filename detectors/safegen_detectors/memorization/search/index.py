"""The index: all reference scans in one tensor, and how a profile stores it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import NotJudged, PrepareOptions, Profile, Template
from safegen_detectors.memorization.features.descriptors import Describer
from safegen_detectors.memorization.features.lattice import Lattice
from safegen_detectors.memorization.features.pattern import spectra_of

WIDTHS = (3, 5)  # blocks along a side of the surroundings
VOXELS_AT_ONCE = 2**22  # of patterns reconstructed at once: 16 MiB, and three times that padded
FEWEST_PERSONS = 3  # a margin is against the best other person, on the scale of the rest


@dataclass(frozen=True, slots=True)
class Index:
    """What every search needs.

    `descriptors` (blocks, scans, c); `persons` (scans,) the person of each scan, as numbers into
    `names`; `means` (blocks, blocks) take the mean over a block's surroundings, for each of
    WIDTHS. `spectra` (scans, a, b, c) of the patterns that the descriptors reveal are there only
    where scans are crops.
    """

    descriptors: torch.Tensor
    persons: NDArray[np.int64]
    names: tuple[str, ...]
    describer: Describer
    template: Template
    means: tuple[torch.Tensor, ...]
    spectra: torch.Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the search runs."""
        return self.descriptors.device

    def without(self, person: int) -> Index:
        """The index without one person; -1 is nobody."""
        others = self.persons != person
        if others.all():
            return self
        rows = torch.from_numpy(others).to(self.device)
        renumbered = self.persons[others] - (self.persons[others] > person)
        names = tuple(name for number, name in enumerate(self.names) if number != person)
        return replace(
            self,
            descriptors=self.descriptors[:, rows],
            persons=renumbered,
            names=names,
            spectra=None if self.spectra is None else self.spectra[rows],
        )

    def with_spectra(self) -> Index:
        """The index with the spectra of its scans where they are crops, else as it is."""
        if self.template.options.align == "affine":
            return self
        shape = self.template.voxels.shape
        parts = torch.split(
            self.descriptors, max(1, VOXELS_AT_ONCE // self.template.voxels.size), dim=1
        )
        spectra = [spectra_of(self.describer.reconstruct(part, shape)) for part in parts]
        return replace(self, spectra=torch.cat(spectra).to(self.device))


def index_from_profile(profile: Profile, device: str) -> Index:
    """The index that a profile holds, on a device.

    Raises:
        NotJudged: there are too few persons to tell one from another.
    """
    facts, arrays = profile.facts, profile.arrays
    names = person_names(facts["subjects"], facts["persons"])
    if len(names) < FEWEST_PERSONS:
        raise NotJudged(
            f"the reference shows {len(names)} persons, and at least {FEWEST_PERSONS} are needed "
            "to tell whether a scan resembles one of them more than the others",
            headline=f"Only {len(names)} persons in the reference",
        )
    lattice = Lattice(np.array(arrays["corners"]), int(facts["stride"]))
    scale = torch.tensor(arrays["scale"], device=device)
    stored = torch.tensor(arrays["descriptors"], device=device)
    index = Index(
        stored.float().transpose(0, 1).contiguous(),
        person_numbers(facts["persons"]),
        names,
        Describer(lattice, scale),
        _template(profile),
        neighbourhood_means(lattice, device),
    )
    return index.with_spectra()


def index_to_profile(
    index: Index, subjects: Sequence[str], persons: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and facts that `index_from_profile` reads; half precision, scans first."""
    template, describer = index.template, index.describer
    arrays: dict[str, NDArray[Any]] = {
        "descriptors": index.descriptors.transpose(0, 1).cpu().half().numpy(),
        "corners": describer.lattice.corners,
        "scale": describer.scale.cpu().numpy(),
        "mean": template.voxels.astype(np.float16),
        "body": template.body.astype(np.float16),
        "affine": template.affine,
    }
    facts = {
        "subjects": list(subjects),
        "persons": list(persons),
        "stride": describer.lattice.stride,
        "options": asdict(template.options),
    }
    return arrays, facts


def profile_without(profile: Profile, subject: str) -> Profile:
    """The profile without the person whom it knows by that name, among others perhaps."""
    persons, subjects = profile.facts["persons"], profile.facts["subjects"]
    person = dict(zip(subjects, persons, strict=True)).get(subject)
    rows = [row for row, other in enumerate(persons) if other != person]
    control = profile.facts["control"]
    facts = {
        **profile.facts,
        "subjects": [subjects[row] for row in rows],
        "persons": [persons[row] for row in rows],
        "control": rows.index(control) if control in rows else 0,
    }
    descriptors = np.asarray(profile.arrays["descriptors"])[rows]
    return replace(profile, arrays={**profile.arrays, "descriptors": descriptors}, facts=facts)


def neighbourhood_means(lattice: Lattice, device: str) -> tuple[torch.Tensor, ...]:
    """The means over surroundings for each of WIDTHS."""
    return tuple(lattice.neighbourhood(width).to(device) for width in WIDTHS)


def person_numbers(persons: Sequence[str]) -> NDArray[np.int64]:
    """Persons as numbers, in order of first appearance."""
    order = {name: number for number, name in enumerate(dict.fromkeys(persons))}
    return np.array([order[name] for name in persons], dtype=np.int64)


def person_names(subjects: Sequence[str], persons: Sequence[str]) -> tuple[str, ...]:
    """The name of each person: all names under which the reference has scans of it."""
    names: dict[str, dict[str, None]] = {}
    for subject, person in zip(subjects, persons, strict=True):
        names.setdefault(person, {})[subject] = None
    return tuple(" = ".join(known) for known in names.values())


def _template(profile: Profile) -> Template:
    arrays = profile.arrays
    options: Mapping[str, Any] = profile.facts["options"]
    return Template(
        np.asarray(arrays["mean"], dtype=np.float32),
        np.asarray(arrays["body"], dtype=np.float32),
        np.asarray(arrays["affine"], dtype=np.float64),
        PrepareOptions(**options),
    )
