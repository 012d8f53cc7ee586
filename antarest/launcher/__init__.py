"""Simulations, and what they print."""
