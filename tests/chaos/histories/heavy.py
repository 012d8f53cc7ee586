"""A history of thirty heavy revisions: rebuilds, moves of data, and indexes, over 100,000 rows.

Five rounds of six revisions; each round adds a column to the large table, works on it, moves its values to a table of
their own, and ends with a loss that is declared. Before them one revision creates the tables, which are filled then.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.projects.histories import Script

ROWS = 100_000
ROUNDS = 5

_LOST = "a round of the test ends so"

TABLES = Script(
    "tables",
    upgrade="""
        op.create_table("station", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
        op.create_table(
            "reading",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("station_id", sa.Integer, sa.ForeignKey("station.id", name="fk_reading_station"), nullable=False),
            sa.Column("value", sa.Float, nullable=False),
            sa.Column("note", sa.String(40)),
        )
        op.create_table(
            "alarm",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column(
                "reading_id",
                sa.Integer,
                sa.ForeignKey("reading.id", name="fk_alarm_reading", ondelete="CASCADE"),
                nullable=False,
            ),
        )
    """,
    downgrade='op.drop_table("alarm"); op.drop_table("reading"); op.drop_table("station")',
    lossy={"downgrade": dict.fromkeys(("alarm", "reading", "station"), "created by this revision")},
)

FILL = (
    """
    INSERT INTO station WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    SELECT i, 'station ' || i FROM n
    """,
    f"""
    INSERT INTO reading WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
    SELECT i, 1 + i / 100 - i / {ROWS}, i * 0.25, CASE WHEN i / 3 * 3 = i THEN 'checked at ' || i END FROM n
    """,
    "INSERT INTO alarm SELECT id / 20, id FROM reading WHERE id / 20 * 20 = id",
)


def scripts() -> list[Script]:
    """The revision that creates the tables, and the thirty that follow it."""
    return [TABLES, *(script for number in range(1, ROUNDS + 1) for script in _round(number))]


def _round(n: int) -> Iterator[Script]:
    yield from _grades(n, f"grade_{n}")
    yield from _scores(n, f"grade_{n}", f"score_{n}")


def _grades(n: int, grade: str) -> Iterator[Script]:
    """A column that is checked, filled and indexed."""
    yield Script(
        f"add_{n}",
        upgrade=f"""
            with op.batch_alter_table("reading") as batch:
                batch.add_column(sa.Column("{grade}", sa.Integer))
                batch.create_check_constraint("ck_{grade}", sa.column("{grade}") >= 0)
        """,
        downgrade=f"""
            with op.batch_alter_table("reading") as batch:
                batch.drop_constraint("ck_{grade}", type_="check")
                batch.drop_column("{grade}")
        """,
        lossy={"downgrade": {f"reading.{grade}": _LOST}},
    )
    yield Script(
        f"fill_{n}",
        upgrade=f'sql("UPDATE reading SET {grade} = id / {97 + n} WHERE id / 10 * 10 + {n} = id")',
        downgrade=f'sql("UPDATE reading SET {grade} = NULL WHERE {grade} IS NOT NULL")',
        lossy={"downgrade": {f"reading.{grade}": _LOST}},
    )
    yield Script(
        f"index_{n}",
        upgrade=f'op.create_index("ix_{grade}", "reading", ["{grade}", "station_id"])',
        downgrade=f'op.drop_index("ix_{grade}", "reading")',
    )


def _scores(n: int, grade: str, table: str) -> Iterator[Script]:
    """The same values in a table of their own."""
    yield Script(
        f"move_{n}",
        upgrade=f"""
            op.create_table(
                "{table}",
                sa.Column("id", sa.Integer, sa.ForeignKey("reading.id", name="fk_{table}", ondelete="CASCADE")),
                sa.Column("{grade}", sa.Integer),
                sa.PrimaryKeyConstraint("id", name="pk_{table}"),
            )
            sql("INSERT INTO {table} SELECT id, {grade} FROM reading WHERE {grade} IS NOT NULL")
            op.drop_index("ix_{grade}", "reading")
            with op.batch_alter_table("reading") as batch:
                batch.drop_constraint("ck_{grade}", type_="check")
                batch.drop_column("{grade}")
        """,
        downgrade=f"""
            with op.batch_alter_table("reading") as batch:
                batch.add_column(sa.Column("{grade}", sa.Integer))
                batch.create_check_constraint("ck_{grade}", sa.column("{grade}") >= 0)
            sql("UPDATE reading SET {grade} = s.{grade} FROM {table} AS s WHERE s.id = reading.id")
            op.create_index("ix_{grade}", "reading", ["{grade}", "station_id"])
            op.drop_table("{table}")
        """,
        moves={f"reading.{grade}": f"{table}.{grade}"},
        lossy={"downgrade": {table: "its rows go back into a column"}},
    )
    yield from _changed(n, grade, table)


def _changed(n: int, grade: str, table: str) -> Iterator[Script]:
    """That table widened and thinned."""
    yield Script(
        f"widen_{n}",
        upgrade=f"""
            with op.batch_alter_table("{table}") as batch:
                batch.alter_column("{grade}", existing_type=sa.Integer(), type_=sa.BigInteger())
        """,
        downgrade=f"""
            with op.batch_alter_table("{table}") as batch:
                batch.alter_column("{grade}", existing_type=sa.BigInteger(), type_=sa.Integer())
        """,
    )
    yield Script(
        f"thin_{n}",
        upgrade=f'sql("DELETE FROM {table} WHERE {grade} < 3", "UPDATE {table} SET {grade} = {grade} + 1")',
        downgrade=f'sql("UPDATE {table} SET {grade} = {grade} - 1")',
        lossy={"upgrade": {table: _LOST}},
    )
