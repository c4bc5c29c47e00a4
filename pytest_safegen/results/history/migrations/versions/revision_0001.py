"""Runs, their findings, and their tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("created", sa.String(40), nullable=False, index=True),
        sa.Column("generator", sa.Text, index=True),
        sa.Column("version", sa.Text, index=True),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    run = sa.ForeignKey("runs.number", ondelete="CASCADE")
    op.create_table(
        "findings",
        sa.Column("run", sa.Integer, run, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("check_name", sa.Text, nullable=False, index=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "tags",
        sa.Column(
            "run",
            sa.Integer,
            sa.ForeignKey("runs.number", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("name", sa.String(100), primary_key=True),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("tags", "findings", "runs"):
        op.drop_table(name)
