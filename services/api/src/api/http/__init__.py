"""What the slices of the gateway have in common: who calls, and how a route finds its service."""
