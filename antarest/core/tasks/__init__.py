"""What the server does in the background, and what it says meanwhile."""
