"""AntaREST: a web application for power-system studies, seen from its database."""

from antarest.migration import __version__

__all__ = ["__version__"]
