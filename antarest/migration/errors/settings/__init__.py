"""Settings that every package needs: the configuration, URLs, the folders of this package, and our command lines."""
