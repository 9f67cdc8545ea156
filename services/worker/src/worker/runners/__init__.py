"""What does the work."""
