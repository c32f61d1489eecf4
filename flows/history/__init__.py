"""The same steps over many runs and files: rebuild, import, maintain, workers."""
