"""From a saved entry to one that is found and understood: parse, chunk, embed, index, insights."""
