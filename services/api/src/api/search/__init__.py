"""Search over entries, by word and by meaning."""
