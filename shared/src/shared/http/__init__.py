"""What every HTTP service does the same way: errors, request ids, logs, headers, health, callbacks."""
