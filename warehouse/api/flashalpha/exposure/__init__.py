"""/v1/exposure: gamma exposure, levels, summary, term structure."""
