"""Deliveries of the one-machine runtime."""

from migrations.step import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0005_local_deliveries.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0005_local_deliveries.down")
