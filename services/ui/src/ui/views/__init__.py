"""One file a page: read the address, call one typed function of the gateway, render."""
