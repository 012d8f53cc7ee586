"""Protections of the program, broken on purpose: each patch must make the tests fail that are named with it."""
