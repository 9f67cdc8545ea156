"""Pieces that several pages render."""
