"""Settings that every room needs: the configuration, URLs, where things are, and how our commands are called."""
