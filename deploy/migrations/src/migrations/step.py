"""Runs the SQL file of one step."""

from importlib.resources import files

from alembic import op


def run_sql(name: str) -> None:
    """Run `sql/<name>.sql`, which may hold any number of statements."""
    script = (files("migrations") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
