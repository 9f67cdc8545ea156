"""The commands beside `maru up`."""
