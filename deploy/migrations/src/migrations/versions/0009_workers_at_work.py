"""How many workers are at work, for everybody."""

from migrations.step import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0009_workers_at_work.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0009_workers_at_work.down")
