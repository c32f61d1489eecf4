"""Pricing: forwards, Black-76, implied volatility, smile, density, gamma ladder."""
