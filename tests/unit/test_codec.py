"""Findings survive the way to JSON and back, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, strategies as st

from pytest_safegen.core.codec import (
    decode_finding,
    encode_finding,
    finding_from_builtins,
    finding_schema,
    finding_to_builtins,
)
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Breach, Finding, Verdict
from pytest_safegen.core.score import Measure

PLAIN = Finding("anomaly", "sub-01/a.nii.gz", Verdict.FAIL, "Too bright.", 3.0, 2.0, 0.1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(min_size=1)
breaches = st.builds(
    Breach,
    measure=texts,
    value=numbers,
    limit=numbers,
    verdict=st.sampled_from((Verdict.WARN, Verdict.FAIL)),
    unit=st.text(),
    above=st.booleans(),
    source=st.text(),
)
findings = st.builds(
    Finding,
    check=texts,
    target=st.text(),
    verdict=st.sampled_from(Verdict),
    reason=texts,
    score=st.none() | numbers,
    threshold=st.none() | numbers,
    p_value=st.none() | st.floats(0.001, 1),
    measures=st.lists(
        st.builds(Measure, texts, numbers, st.text()), max_size=3, unique_by=lambda m: m.name
    ).map(tuple),
    heatmap=st.none() | texts,
    layers=st.dictionaries(texts, texts, max_size=3),
    nearest=st.none() | texts,
    seconds=st.floats(0, 1e6),
    headline=st.text(max_size=90),
    breaches=st.lists(breaches, max_size=2).map(tuple),
    modality=st.text(),
)


@given(findings)
def test_a_finding_comes_back_from_json_as_it_was(finding: Finding) -> None:
    assert decode_finding(encode_finding(finding)) == finding


@given(findings)
def test_every_finding_keeps_to_the_schema(finding: Finding) -> None:
    jsonschema.Draft202012Validator(finding_schema()).validate(json.loads(encode_finding(finding)))


@pytest.mark.parametrize("number", [np.float32(0.5), np.int64(1), True, 1])
def test_a_measure_of_another_number_type_is_a_number_in_json(number: Any) -> None:
    finding = replace(PLAIN, measures=(Measure("size", number),))
    assert type(finding_to_builtins(finding)["measures"]["size"]["value"]) is float


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": "1"},
        {"verdict": "GREEN"},
        {"verdict": []},
        {"measures": 3},
        {"measures": {"size": 3}},
        {"measures": {"size": {"value": "3", "unit": "mm"}}},
        {"measures": {"size": {"value": None, "unit": "mm"}}},
        {"score": "high"},
        {"score": True},
        {"p_value": []},
        {"seconds": {}},
        {"layers": []},
        {"layers": None},
        {"layers": {"shap": 3}},
        {"more": 1},
    ],
)
def test_what_is_no_finding_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SafegenError):
        finding_from_builtins(finding_to_builtins(PLAIN) | change)


@pytest.mark.parametrize("field", list(finding_to_builtins(PLAIN)))
def test_a_finding_without_one_of_its_fields_is_refused(field: str) -> None:
    plain = finding_to_builtins(PLAIN)
    del plain[field]
    with pytest.raises(SafegenError):
        finding_from_builtins(plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, r"^Line 3 has schema 2; this version reads schema 1\.$"),
        ({"score": "high"}, r"^Line 3 is not a finding: .* at `\$\.score`\.$"),
        ({"more": 1}, r"^Line 3 is not a finding: .*`more`\.$"),
    ],
)
def test_what_is_refused_is_named_in_one_sentence(change: dict[str, Any], message: str) -> None:
    line = json.dumps(finding_to_builtins(PLAIN) | change)
    with pytest.raises(SafegenError, match=message):
        decode_finding(line, source="Line 3")


@given(findings)
def test_a_decoded_line_is_encoded_as_it_was(finding: Finding) -> None:
    line = encode_finding(finding)
    assert encode_finding(decode_finding(line)) == line


@pytest.mark.parametrize("nearest", [np.str_("sub-01"), 1])
def test_what_a_detector_gives_for_a_text_becomes_text(nearest: Any) -> None:
    measure = Measure("size", 1.0, np.str_("mm"))
    finding = replace(PLAIN, nearest=nearest, measures=(measure,))
    read = decode_finding(encode_finding(finding))
    assert (read.nearest, read.measures[0].unit) == (str(nearest), "mm")
