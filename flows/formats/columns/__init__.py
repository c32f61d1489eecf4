"""Tables whose columns a mapping names."""
