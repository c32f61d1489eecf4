"""One file per venue: how its chains are fetched and what its bytes mean."""
