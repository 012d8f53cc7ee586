"""Sessions of an application that write to every table, while revisions change these tables."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from random import Random
from threading import Event, Thread
from typing import Any

import psycopg2
from sqlalchemy import URL

SESSIONS = 3
_LONGEST = 8  # statements of a transaction
_PAUSE = 0.02  # seconds between two statements at most
_BUSY = 60  # seconds that a session waits for SQLite's lock
_DEADLOCK = "40P01"

_COLUMNS = {
    "postgresql": """
        SELECT c.relname, a.attname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typcategory = 'S'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'alembic%'
        ORDER BY 1, 2
    """,
    "sqlite": """
        SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name <> 'id'
        WHERE m.type = 'table' AND m.name NOT LIKE 'alembic%' AND (c.type LIKE 'TEXT%' OR c.type LIKE 'VARCHAR%')
        ORDER BY 1, 2
    """,
}


@dataclass
class Written:
    """What a session has written, as far as its commits were answered.

    Attributes:
        added: the texts that the session has written with an INSERT or an UPDATE.
        removed: the texts that the session has removed with a DELETE or an UPDATE.
        unknown: the texts of transactions whose commit was not answered.
        commits: how many commits were answered.
        deadlocks: how many transactions the server has ended because of a deadlock.
    """

    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    commits: int = 0
    deadlocks: int = 0


@contextmanager
def writing(url: URL, random: Random) -> Iterator[list[Written]]:
    """Let sessions write during the block. No two of them change the same row, so they cannot block each other."""
    stop, found = Event(), [Written() for _ in range(SESSIONS)]
    threads = [
        Thread(target=_write, args=(url, number, Random(random.random()), stop, written), daemon=True)
        for number, written in enumerate(found)
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def read_texts(url: URL) -> Counter[str]:
    """Read all texts of all tables, with how often each one is there."""
    with closing(_connect(url)) as connection:
        cursor = connection.cursor()
        texts: Counter[str] = Counter()
        for table, columns in _read_columns(url, cursor).items():
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")
            texts.update(text for row in cursor.fetchall() for text in row if text is not None)
        return texts


def _connect(url: URL) -> Any:
    if url.get_backend_name() == "sqlite":
        return sqlite3.connect(str(url.database), isolation_level="IMMEDIATE", timeout=_BUSY)
    return psycopg2.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))


def _read_columns(url: URL, cursor: Any) -> dict[str, list[str]]:
    cursor.execute(_COLUMNS[url.get_backend_name()])
    columns: dict[str, list[str]] = {}
    for table, column in cursor.fetchall():
        columns.setdefault(table, []).append(column)
    return columns


def _write(url: URL, number: int, random: Random, stop: Event, written: Written) -> None:
    with closing(_connect(url)) as connection:
        session = _Session(url, number, random, connection)
        while not stop.is_set():
            added, removed, is_sent = set[str](), set[str](), False
            try:
                session.run_transaction(added, removed)
                is_sent = True
                connection.commit()
            except (psycopg2.Error, sqlite3.Error) as error:
                written.unknown |= added | removed if is_sent else set()
                written.deadlocks += getattr(error, "pgcode", None) == _DEADLOCK
                connection.rollback()
            else:
                written.added |= added
                written.removed |= removed
                written.commits += 1
            time.sleep(session.random.random() * session.rest)


@dataclass
class _Session:
    """One session. It changes the rows for which its number is the remainder of the key."""

    url: URL
    number: int
    random: Random
    connection: Any
    made: int = 0

    @property
    def rest(self) -> float:
        """The longest pause between two transactions, in seconds. On SQLite, others get the lock only in a pause."""
        return 0.1 if isinstance(self.connection, sqlite3.Connection) else 0

    def run_transaction(self, added: set[str], removed: set[str]) -> None:
        """Write to some tables, and note the texts."""
        cursor = self.connection.cursor()
        if isinstance(self.connection, sqlite3.Connection):
            cursor.execute("BEGIN IMMEDIATE")
        tables = _read_columns(self.url, cursor)
        for _ in range(self.random.randint(1, _LONGEST)):
            table = self.random.choice(sorted(tables))
            gone, new = self._change(cursor, table, tables[table])
            added |= new
            removed |= gone
            time.sleep(self.random.random() ** 4 * _PAUSE)

    def _change(self, cursor: Any, table: str, columns: list[str]) -> tuple[set[str], set[str]]:
        """Insert, update or delete a row. Return the texts that it removed, and those that it added."""
        names, mark = ", ".join(columns), "?" if self.url.get_backend_name() == "sqlite" else "%s"
        self.made += 1
        texts = [f"w {self.number} {self.made} {column}" for column in columns]
        action = self.random.choice(["insert", "insert", "update", "delete"])
        if action == "insert":
            key = 1000 + self.made * SESSIONS + self.number
            cursor.execute(
                f"INSERT INTO {table} (id, {names}) VALUES ({mark}, {', '.join([mark] * len(columns))})", [key, *texts]
            )
            return set(), {*texts}
        mine = f"SELECT id, {names} FROM {table} WHERE id % {SESSIONS} = {self.number} ORDER BY id DESC LIMIT 1"
        cursor.execute(mine.replace("%", "%%") if mark == "%s" else mine, [])
        if (row := cursor.fetchone()) is None:
            return set(), set()
        key, *old = row
        gone = {text for text in old if text is not None}
        if action == "delete":
            cursor.execute(f"DELETE FROM {table} WHERE id = {key}")
            return gone, set()
        cursor.execute(
            f"UPDATE {table} SET {', '.join(f'{column} = {mark}' for column in columns)} WHERE id = {key}", texts
        )
        return gone, {*texts}
