"""Who may work and who does: worker tokens, workers, queues, hosts. For administrators only."""
