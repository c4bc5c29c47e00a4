"""The tables of the history, as the newest migration leaves them.

A `body` is what results.json or a line of results.jsonl holds; the other columns repeat what is
searched for. Text columns hold no character that a database would refuse; a body is ASCII.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, MetaData, String, Table, Text

HEAD = "0001"
"""The revision of these tables."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("created", String(40), nullable=False, index=True),
    Column("generator", Text, index=True),
    Column("version", Text, index=True),
    Column("verdict", String(16), nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("run", ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("check_name", Text, nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("score", Float),
    Column("body", Text, nullable=False),
)

tags = Table(
    "tags",
    metadata,
    Column("run", ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("name", String(100), primary_key=True),
)
