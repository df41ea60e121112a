"""Search for the best execution plan of a network."""
