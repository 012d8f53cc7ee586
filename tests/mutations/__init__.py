"""Patches that break the protections of the program. Each patch must make the tests fail that are named with it."""
