"""Jobs, tasks, workers and rented hosts."""

from migrations.step import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0006_studio.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0006_studio.down")
