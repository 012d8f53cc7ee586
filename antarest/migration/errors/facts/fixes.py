"""Finds the lines to write into a revision whose statement a database has refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..base import Hint

_PENDING = "pending trigger events"
_RUN_THEM = Hint("Before this statement, write in the revision", 'op.execute("SET CONSTRAINTS ALL IMMEDIATE")')
ID_LENGTH = 32
"""The longest id of a revision that the version table of Alembic can store."""

_WIDEN = 'op.execute("ALTER TABLE alembic_version ALTER COLUMN version_num TYPE varchar(255)")'
_NO_LABEL = re.compile(r'invalid input value for enum (.+): "(.*)"')
_HAS_DEFAULT = re.compile(r'column "(.*)" of relation "(.*)" already has a default value')
_IS_GENERATED = re.compile(r'cannot INSERT into generated column "(.*)"')
_IS_NULL = re.compile(
    r"NOT NULL constraint failed: _alembic_tmp_(?P<table>.+)\.(?P<name>\w+)$"  # not of an INSERT
    r'|column "(?P<column>.+)" of relation "(?P<relation>.+)" contains null values'
)
_NEW_LABEL = re.compile(r'unsafe use of new value "(.*)" of enum type')

# Alembic says this in a batch, if it cannot find the constraint to drop.
_NO_NAME = re.compile(r"Constraint must have a name|No such constraint: ")
_CONVENTION = ", ".join(f'"{kind}": "{kind}_%(table_name)s_%(column_0_name)s"' for kind in ("fk", "uq"))
_NO_BOOLEAN = re.compile(r"is of type boolean but (?:default )?expression is of type integer|boolean = integer")
_LEFT_OVER = re.compile(r"table (_alembic_tmp_(\S+)) already exists")

_NOT_AVAILABLE = re.compile(r'extension "(.+)" is not available|/([^/"]+)\.control"')
_UNKNOWN = re.compile(r'(?:type|function|operator class|access method) "?([a-z_0-9.]+)')
SERVER = "export ANTAREST_TEST_POSTGRES_URL=postgresql://USER:PASSWORD@HOST:5432/postgres"
"""The command that names a server for scratch databases."""

_MAKES = {
    "citext": "citext",
    "hstore": "hstore",
    "ltree": "ltree lquery",
    "cube": "cube",
    "postgis": "geometry geography",
    "vector": "vector halfvec hnsw ivfflat",
    "uuid-ossp": "uuid_generate_v1 uuid_generate_v4 uuid_generate_v5",
    "pgcrypto": "crypt gen_salt digest hmac gen_random_bytes",
    "pg_trgm": "gin_trgm_ops gist_trgm_ops similarity",
    "unaccent": "unaccent",
}
_EXTENSION_OF = {name: extension for extension, names in _MAKES.items() for name in names.split()}


def missing_extension(reason: str) -> tuple[str, bool]:
    """Return the missing extension that caused an error, and whether it is missing on the whole server.

    Args:
        reason: the text of the error.

    Returns:
        The name of the extension, and True if the server does not have its files. Without these files, nobody can
        create the extension in a database. The name is empty if the error has another cause, or if the extension of a
        missing type or function is not known.
    """
    if found := _NOT_AVAILABLE.search(reason):
        return found[1] or found[2], True
    if "does not exist" in reason and (name := _UNKNOWN.search(reason)):
        return _EXTENSION_OF.get(name[1].rpartition(".")[2], ""), False
    return "", False


def fixes_of(revision: str, reason: str) -> Iterator[Hint]:
    """Yield the lines to write into a revision that failed with this error of the engine, if they are known.

    Args:
        revision: the id of the revision.
        reason: the text of the error.
    """
    if "value too long" in reason and len(revision) > ID_LENGTH:
        yield Hint(f"Give it an id of at most {ID_LENGTH} characters, or write into the first revision", _WIDEN)
    yield from for_one_engine(reason)
    extension, is_unavailable = missing_extension(reason)
    if is_unavailable:
        yield Hint(f"For scratch databases, name a server that has the extension {extension}", SERVER)
    elif extension:
        create = f'CREATE EXTENSION IF NOT EXISTS "{extension}"'
        yield Hint(f"If no administrator creates the extension {extension}, create it first", f"op.execute({create!r})")
    if _PENDING in reason:
        yield _RUN_THEM
    if found := _NO_LABEL.search(reason):
        statement = f"ALTER TYPE {found[1]} ADD VALUE '{found[2]}'"
        yield Hint("To add this value, write a revision below this one with", f"op.execute({statement!r})")
    yield from _for_missing_values(reason)
    if generated := _IS_GENERATED.search(reason):  # Alembic copies all columns of a table that it rebuilds.
        name = generated[1]
        again = f'batch_op.drop_column("{name}"); batch_op.add_column(sa.Column("{name}", ..., sa.Computed("...")))'
        yield Hint("Drop the generated column in the batch, and add it again", again)
    if serial := _HAS_DEFAULT.search(reason):
        column, table = serial.groups()
        drop = f'ALTER TABLE "{table}" ALTER "{column}" DROP DEFAULT; DROP SEQUENCE IF EXISTS "{table}_{column}_seq"'
        yield Hint("If the column is SERIAL, give up its sequence before it is an identity", f"op.execute({drop!r})")
        counter = f"""pg_get_serial_sequence('"{table}"', '{column}'), coalesce(max("{column}"), 0) + 1, false"""
        count = f'SELECT setval({counter}) FROM "{table}"'
        yield Hint("After that, let the identity continue behind the rows", f"op.execute({count!r})")
    if found or _NEW_LABEL.search(reason):
        yield Hint(
            "Add the value in an earlier revision. It is committed first if its file says", 'transaction = "own"'
        )


def _for_missing_values(reason: str) -> Iterator[Hint]:
    if empty := _IS_NULL.search(reason):
        table, name = empty["table"] or empty["relation"], empty["name"] or empty["column"]
        fill = f"""UPDATE "{table}" SET "{name}" = ... WHERE "{name}" IS NULL"""
        add = f'op.add_column("{table}", sa.Column("{name}", ..., server_default="..."))'
        yield Hint("If the revision adds the column, give it a default", add)
        yield Hint("If the column existed before, fill it first", f"op.execute({fill!r})")
    elif "Cannot add a NOT NULL column" in reason:  # SQLite refuses it even in an empty table.
        yield Hint("Give the column a default", 'op.add_column(..., sa.Column(..., server_default="..."))')


def for_one_engine(reason: str) -> Iterator[Hint]:
    """Yield the lines for a statement that works on the other engine only.

    Args:
        reason: the text of the error.
    """
    if _NO_NAME.search(reason):
        name_it = f"op.batch_alter_table(..., naming_convention={{{_CONVENTION}}})"
        yield Hint("If SQLite has no name for it, name it in the batch", name_it)
    if left := _LEFT_OVER.search(reason):
        copy, table = left.groups()
        both = f"""sqlite3 FILE 'SELECT count(*) FROM "{table}"; SELECT count(*) FROM "{copy}"'"""
        yield Hint("A killed run of plain Alembic left it. It may have the only rows, so count both", both)
        yield Hint(f"If table {table} has all rows, drop the copy", f"""sqlite3 FILE 'DROP TABLE "{copy}"'""")
    if _NO_BOOLEAN.search(reason):
        yield Hint("PostgreSQL has no numbers for BOOLEAN. Write the value for both engines", "sa.true(), sa.false()")
