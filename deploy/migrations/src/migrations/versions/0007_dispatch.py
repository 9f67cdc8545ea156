"""What the dispatcher does in one round trip each: claim, heartbeat, report, release, rescue."""

from migrations.step import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0007_dispatch.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0007_dispatch.down")
