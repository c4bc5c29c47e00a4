"""Tables of real scans."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from metadata_tables import Row, finding_of, profile_of

from pytest_safegen import (
    Scan,
    ScanRef,
    Verdict,
)
from pytest_safegen.data.table import facts_of

pytestmark = pytest.mark.slow

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def real_rows(cohort: str, pattern: str, modality: str) -> list[Row]:
    paths = sorted((REAL / cohort).glob(pattern))
    if not paths:
        pytest.skip(f"the real scans of {cohort} are not part of the repository")
    order = np.random.default_rng(1).permutation(len(paths))
    return [dict(facts_of(read(paths[place], modality))) for place in order[:124]]


def read(path: Path, modality: str) -> Scan:
    image = nibabel.load(path)
    ref = ScanRef(path.name, path.name.split("_")[0], None, modality, path)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return Scan(ref, voxels, image.affine, stored_type=str(image.get_data_dtype()))


@pytest.fixture(
    scope="module",
    params=[
        ("ixi-t1", "sub-*/anat/*_T1w.nii.gz", "T1w"),
        ("lidc-nodules", "sub-*/*_ct.nii.gz", "ct"),
    ],
    ids=lambda param: param[0],
)
def real_table(request: pytest.FixtureRequest) -> list[Row]:
    return real_rows(*request.param)


@pytest.mark.real
def test_unseen_real_scans_do_not_fail(real_table: list[Row]) -> None:
    finding = finding_of(real_table[80:], profile_of(real_table[:80]))
    assert not finding.verdict.blocks, finding.reason


@pytest.mark.real
def test_a_wrong_voxel_size_among_real_scans_fails(real_table: list[Row]) -> None:
    unseen = [dict(row) for row in real_table[80:]]
    unseen[0]["spacing_k"] *= 1.5
    finding = finding_of(unseen, profile_of(real_table[:80]))
    assert finding.verdict is Verdict.FAIL
    assert str(unseen[0]["target"]) in finding.reason
