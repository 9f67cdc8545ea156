"""Every figure that the documentation quotes, measured against a named floor or peer in the same run: `make bench`."""
