"""The workflow: where a database is, and how to upgrade it, roll it back or reset it."""

from .workflow import MigrationWorkflow

__all__ = ["MigrationWorkflow"]
