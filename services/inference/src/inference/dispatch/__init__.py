"""What the dispatcher does for workers: give tasks, keep leases, take reports."""
