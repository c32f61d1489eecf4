"""Publication: generations, status, schedule log."""
