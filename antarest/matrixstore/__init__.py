"""Matrices, and the datasets that group them."""
