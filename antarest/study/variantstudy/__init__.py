"""Variants: studies that consist of another study and a list of commands."""
