"""Entries: what people record, its versions, its insights and their corrections."""
