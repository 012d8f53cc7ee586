"""The database of AntaREST, a web application for power-system studies: its models, its migrations and its pages."""

from antarest.migration import __version__

__all__ = ["__version__"]
