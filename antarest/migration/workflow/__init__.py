"""The workflow: read the state of a database, upgrade it, roll it back, and reset it."""

from .workflow import MigrationWorkflow

__all__ = ["MigrationWorkflow"]
