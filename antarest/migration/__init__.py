"""The workflow that moves a database safely between revisions, usable on any Alembic project.

Its rooms stand in one order; a room imports only from those before it: errors, project, database, schema, losses,
run, scratch, backup, workflow, branches, verify, release, testing, commands. The doors are `environment`, which
`env.py` calls, `__main__`, the command line, and `testing`, for pytest.
"""

__version__ = "1.0.0"
