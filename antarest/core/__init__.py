"""The code that all parts of the application share: the configuration, the declarative base, and common columns."""
