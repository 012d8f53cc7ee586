"""The workflow that upgrades databases and rolls them back safely. It works with any Alembic project.

Its packages are in a fixed order, and each imports only from those before it: errors, project, database, schema,
losses, snapshot, run, scratch, backup, workflow, branches, verify, release, testing, commands. The entry points are
`environment` for `env.py`, `__main__` for the command line, and `testing` for pytest.
"""

__version__ = "1.0.0"
