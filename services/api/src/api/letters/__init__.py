"""What was given up, and another try for it: tasks, messages, messages that nobody understood. For administrators only."""
