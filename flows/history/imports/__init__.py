"""Import: finds files, archives them, and loads them like archived runs."""
