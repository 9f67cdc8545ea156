"""Results of a job become entries of its space: each once, or a reason why not."""
