"""The HTTP API: two published dialects over the table macros. Imported by `strikehouse api` only: FastAPI takes long to load."""
