"""Commands, by what they do to a home: change it, read it, serve it."""
