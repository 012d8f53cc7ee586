"""AntaREST: a web application for power-system studies, seen from its database."""

__version__ = "1.0.0"
