"""Totals over insights: topics, moods, days."""
