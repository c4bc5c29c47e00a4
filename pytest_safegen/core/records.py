"""The JSON contracts: what a line of results.jsonl and what results.json holds.

One definition gives the encoder, the strict decoder and the published JSON Schema, so they cannot
contradict each other. `codec` converts between these records and the values of the gate.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.json import schema_components

from pytest_safegen.core.finding import HEADLINE_LENGTH, Calibration, MeasureLimits, Verdict

SCHEMA: Final = 1
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Name = Annotated[str, Meta(min_length=1)]


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """What all records share: every field must be there, and no other."""


class MeasureRecord(Record, frozen=True):
    """One number with its unit."""

    value: float
    unit: str


class BreachRecord(Record, frozen=True):
    """One number beyond its limit."""

    measure: str
    value: float
    limit: float
    verdict: Literal["WARN", "FAIL"]
    unit: str
    above: Annotated[bool, Meta(description="false where the number is below its limit")]
    source: Annotated[str, Meta(description="where the limit is from")]


class FindingRecord(Record, frozen=True):
    """The verdict of one check on one scan, one series, or the release as a whole."""

    schema: Literal[1]
    check: Name
    target: Annotated[
        str,
        Meta(
            description="path relative to the data root, / separated; of a series its folder or "
            "subject id; empty: the release as a whole"
        ),
    ]
    verdict: Verdict
    reason: Annotated[str, Meta(min_length=1, description="why, in full sentences")]
    score: Annotated[
        float | None,
        Meta(
            description="higher is worse; a check that is judged by its measures gives the largest "
            "share of a limit that one of them uses up"
        ),
    ]
    threshold: Annotated[float | None, Meta(description="the score above which the check fails")]
    p_value: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="share of real scans that score at least as high, conformal"),
    ]
    measures: Annotated[
        dict[str, MeasureRecord], Meta(description="what else the check measured, by name")
    ]
    heatmap: Annotated[str | None, Meta(description="path relative to the report folder")]
    layers: Annotated[
        dict[str, str],
        Meta(
            description="maps that explain the finding: name and path relative to the report folder"
        ),
    ]
    nearest: Annotated[
        str | None, Meta(description="the reference patient or timepoint that the score refers to")
    ]
    seconds: Annotated[float, Meta(ge=0, description="how long the check took")]
    content: Annotated[
        str,
        Meta(
            description="digest of the files that were judged, of a finding that can be waived; "
            "else empty"
        ),
    ]
    # The length is documented and not enforced: a check of others may write a longer one, and
    # that must not make its report unreadable.
    headline: Annotated[
        str,
        Meta(
            description="what is wrong, in a few words; empty for PASS",
            extra_json_schema={"maxLength": HEADLINE_LENGTH},
        ),
    ]
    breaches: Annotated[
        list[BreachRecord], Meta(description="numbers beyond their limit, the worst first")
    ]
    modality: Annotated[
        str,
        Meta(
            description="of the real scans that calibrated the score; empty where there is one only"
        ),
    ]


Count = Annotated[int, Meta(ge=0)]
Mode = Literal["enforce", "warn", "record"]


class RunRecord(Record, frozen=True):
    """One run of the gate, with all that a report needs but the findings and the voxels."""

    schema: Literal[1]
    id: Name
    created: Annotated[str, Meta(description="time of the verdict, ISO 8601 in UTC")]
    verdict: Verdict
    reasons: tuple[str, ...]
    roots: Annotated[tuple[str, ...], Meta(description="data folders")]
    mode: Annotated[Mode, Meta(description="only enforce blocks")]
    counts: Annotated[
        dict[str, Count],
        Meta(description="the accounting: scans, series, discovered, collected, judged, reported"),
    ]
    generator: str | None
    version: Annotated[str | None, Meta(description="of the generator")]
    commit: Annotated[str | None, Meta(description="of the project")]
    dirty: Annotated[bool | None, Meta(description="whether its files were changed since")]
    config_digest: str
    profile_digests: dict[str, str]
    calibrations: Annotated[
        dict[str, dict[str, Calibration]],
        Meta(
            description="per calibrated check and modality of the real scans; the modality is "
            "empty where there is one only"
        ),
    ]
    limits: Annotated[
        dict[str, dict[str, dict[str, MeasureLimits]]],
        Meta(description="the limits applied, per check, modality as above, and measure"),
    ]
    environment: Annotated[dict[str, str], Meta(description="versions, device, platform")]
    release: Annotated[str, Meta(description="digest of what a complete run judges")]
    checks: Annotated[
        dict[str, Literal["scan", "series", "release"]],
        Meta(description="the active checks and what each judges"),
    ]
    data_digest: Annotated[str, Meta(description="of the names and contents of all scans")]
    comparability: Annotated[
        dict[str, str], Meta(description="what runs must share to be compared")
    ]
    directions: Annotated[
        dict[str, dict[str, Literal["higher", "lower", "either"]]],
        Meta(description="per check and measure, where worse lies"),
    ]
    regression: Annotated[
        dict[str, Any],
        Meta(description="the comparison with the baseline, as in gate.json; empty: none was made"),
    ]


def json_schema(record: type[Struct], *, title: str) -> dict[str, Any]:
    """The JSON Schema of a record, with its parts under `$defs`."""
    _, parts = schema_components([record], ref_template="#/$defs/{name}")
    own = parts.pop(record.__name__)
    return {"$schema": DIALECT, **own, "title": title, "$defs": parts}
