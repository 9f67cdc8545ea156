"""Text as search and citations see it: terms, sparse vectors, chunks, quotes; pure functions without I/O."""
