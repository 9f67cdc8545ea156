"""Erasing an account whole; and the list of steps that have run is not for browsers."""

from migrations.step import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0011_erasure.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0011_erasure.down")
