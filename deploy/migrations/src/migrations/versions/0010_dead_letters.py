"""What was given up in the cloud, beside what the deliverer of one machine gave up."""

from migrations.step import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0010_dead_letters.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0010_dead_letters.down")
