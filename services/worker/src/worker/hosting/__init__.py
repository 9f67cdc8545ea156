"""Runs happen in child processes: a crash there, or running out of memory, ends a run and not the agent with its leases."""
