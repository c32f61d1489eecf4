"""What a row means, and the maths on it: contracts, parsed chains and pure polars transforms."""
