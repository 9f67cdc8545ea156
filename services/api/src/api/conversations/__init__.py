"""Conversations: questions answered from a person's own entries, with citations that can be checked."""
