"""One file per format of files that people already have, and the import that walks, archives and loads them."""
