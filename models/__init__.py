"""The domain model and its maths: contracts, parsed chains and pure polars transforms."""
