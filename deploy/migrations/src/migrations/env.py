"""Alembic's entry: one transaction per upgrade, on psycopg so that a step may hold many statements."""

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import make_url


def run() -> None:
    """Run the asked steps inside one transaction, one runner at a time."""
    url = make_url(context.config.attributes["dsn"]).set(drivername="postgresql+psycopg")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('maru migrations'))")
        connection.commit()
        context.configure(
            connection=connection,
            version_table="maru_schema_revision",
            version_table_schema="public",
            target_metadata=None,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
