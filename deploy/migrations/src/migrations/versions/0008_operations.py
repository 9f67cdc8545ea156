"""What administrators see of everybody's work, and why a result did not become an entry."""

from migrations.step import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0008_operations.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0008_operations.down")
