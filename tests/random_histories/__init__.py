"""Histories of random operations and their exact inverses, without a fault or with one fault, to test the proof."""
