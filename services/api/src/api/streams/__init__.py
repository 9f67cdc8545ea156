"""Streams of numbered events: follow, resume, stop."""
