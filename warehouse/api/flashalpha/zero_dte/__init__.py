"""/v1/exposure/zero-dte: one expiration close up."""
