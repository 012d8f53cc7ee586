"""Variants: studies that are another study and a list of commands."""
