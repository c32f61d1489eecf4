"""One module per kind of number that can be explained."""
