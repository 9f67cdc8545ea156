"""Uploads, entries, chunks, insights."""

from migrations.step import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0003_memory.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0003_memory.down")
