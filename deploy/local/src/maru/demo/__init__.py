"""A household with a year of entries, so that every page has something to look at."""

from maru.demo.household import HouseholdEntry, household
from maru.demo.seeding import DEMO_EMAIL, DEMO_PASSWORD, SeedReport, seed

__all__ = ["DEMO_EMAIL", "DEMO_PASSWORD", "HouseholdEntry", "SeedReport", "household", "seed"]
