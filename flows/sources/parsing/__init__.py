"""What the parsers of several venues share."""
