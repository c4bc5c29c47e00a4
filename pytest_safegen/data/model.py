"""What discovery knows of something that may be a scan, completed step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_safegen.core.scan import ScanRef

Folder = tuple[str, ...]
"""Names of folders, from the data root down."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file or DICOM folder that may be a scan; each step of discovery fills in more of it.

    `tree` finds it: `parts` lead from the data root to it, `modality` is what DICOM headers say.
    `layouts` says whose scan it is: `subject`, `session`, `modality`, `labels`, and `namespace`,
    the folders that keep subjects of the same name apart. `metadata` adds `months` and `labels`.
    `masks` adds `mask`, the path of its mask relative to the data root, "/" separated.
    """

    parts: tuple[str, ...]
    is_dicom: bool = False
    modality: str | None = None
    subject: str = ""
    session: str | None = None
    namespace: Folder = ()
    months: float | None = None
    mask: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The path relative to the data root, "/" separated."""
        return "/".join(self.parts)

    @property
    def folder(self) -> Folder:
        """The folders above it."""
        return self.parts[:-1]

    @property
    def name(self) -> str:
        """The name of the file, or of the DICOM folder."""
        return self.parts[-1]

    def path_below(self, root: Path) -> Path:
        """Where it lies, below the data root."""
        return root.joinpath(*self.parts)

    def scan_ref(self, root: Path) -> ScanRef:
        """The completed candidate as a scan of the release."""
        return ScanRef(
            target=self.target,
            subject=self.subject,
            session=self.session,
            modality=self.modality,
            path=self.path_below(root),
            months=self.months,
            mask=root / self.mask if self.mask else None,
            labels=self.labels,
        )
