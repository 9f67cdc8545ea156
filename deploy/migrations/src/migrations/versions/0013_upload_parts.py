"""Files that come in parts, and the version that is checked."""

from migrations.step import run_sql

revision = "0013"
down_revision = "0011"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0013_upload_parts.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0013_upload_parts.down")
