"""Files that are prepared for a download."""
