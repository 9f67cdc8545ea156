"""`maru up`: every service and its engines in one process."""
