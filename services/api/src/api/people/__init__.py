"""People that entries are about; they need no account."""
