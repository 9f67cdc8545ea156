"""What whoever runs the installation looks at: calls, errors, latency, usage and cost."""
