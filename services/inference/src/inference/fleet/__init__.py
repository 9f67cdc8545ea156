"""Rents hosts to match the queue, down to none, within a budget."""
