"""Files on their way in: a place to put them, a check of what came, an address to read them."""
