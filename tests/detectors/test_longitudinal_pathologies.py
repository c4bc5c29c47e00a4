"""Published growth by pathology."""

import pytest

from safegen_detectors.longitudinal.inputs.pathologies import (
    growth_band,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Glioblastoma", "a high-grade glioma"),
        ("lung_nodule", "a lung nodule"),
        ("low grade glioma", "a low-grade glioma"),
        ("MS", "a multiple sclerosis lesion"),
        ("brain metastasis of lung cancer", "a brain metastasis"),
        ("metastasis", "a brain metastasis"),
        ("liver metastasis of colon cancer", "any lesion"),
        ("anaplastic oligodendroglioma WHO 3", "a high-grade glioma"),
        ("oligodendroglioma", "a low-grade glioma"),
        ("ground-glass nodule", "a ground-glass lung nodule"),
        ("something new", "any lesion"),
        (None, "any lesion"),
    ],
)
def test_a_pathology_is_recognised_as_people_write_it(text, name):
    assert growth_band(text).name == name
