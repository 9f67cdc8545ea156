"""`maru smoke URL`: walks a live deployment over its public HTTP, as a person and as a worker would, and takes its traces away.

A step is a small function in `steps/`; another system adds one there and names it in `steps/__init__.py`.
"""

from maru.smoke.report import Report
from maru.smoke.walk import Options, walk_through

__all__ = ["Options", "Report", "walk_through"]
