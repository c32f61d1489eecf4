"""The HTTP API: two published dialects over the table macros. Imported by `strikehouse api` only: FastAPI is slow to load."""
