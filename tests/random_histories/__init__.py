"""Histories of random operations with their exact inverses, and the same with one fault: the proof of the proof."""
