"""Settings that every room needs: the configuration, URLs, the folders of this package, and our command lines."""
