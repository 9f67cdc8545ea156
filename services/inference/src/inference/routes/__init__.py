"""What the dispatcher answers: workers, and our own scheduler."""
