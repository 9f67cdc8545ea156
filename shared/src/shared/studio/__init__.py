"""What the gateway and the dispatcher both know about jobs: states, matching, folding."""
