"""What every HTTP service does the same way: errors, request ids, logs, headers, health, callbacks."""

import sys

# FastAPI loads all of pydantic.v1 (70 ms of a cold start) only to refuse its models, which nothing here uses. This is how Python is told that a
# module is not there.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]  # typeshed has no None here, the import system does
