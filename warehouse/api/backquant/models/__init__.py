"""Response bodies of the BackQuant dialect."""
