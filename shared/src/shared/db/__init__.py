"""Postgres: the only place that opens connections and transactions."""

from shared.db.connection import Connection, Record
from shared.db.database import Database
from shared.db.principal import Principal

__all__ = ["Connection", "Database", "Principal", "Record"]
