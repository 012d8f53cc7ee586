"""Simulations, and their output."""
