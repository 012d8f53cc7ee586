"""A history for databases in which other sessions write: it copies, moves, rewrites and drops what they write.

Every table has an integer key and texts, and every text is different. So each one can be found again wherever a
revision has put it.
"""

from __future__ import annotations

from tests.support.projects.histories import Script

_LOST = "nobody reads it any more"
_COPY = """
    sql(
        "CREATE TABLE item_new (id BIGINT PRIMARY KEY, mark TEXT{column})",
        "INSERT INTO item_new (id, mark) SELECT id, mark FROM item",
        "DROP TABLE item",
        "ALTER TABLE item_new RENAME TO item",
    )
"""
_BLOCK = """
    copies = (
        "CREATE TABLE note_new (id BIGINT PRIMARY KEY, mark TEXT)",
        "INSERT INTO note_new SELECT * FROM note",
        "DROP TABLE note",
        "ALTER TABLE note_new RENAME TO note",
    )
    if is_postgresql():
        executed = " ".join(f"EXECUTE '{each}';" for each in copies)
        sql(f"DO $$ BEGIN {executed} END $$")
    else:
        sql(*copies)
"""
_RETYPE = """
    if is_postgresql():
        sql("ALTER TABLE junk ALTER mark TYPE {type} USING mark::{type}")
    else:
        with op.batch_alter_table("junk") as batch:
            batch.alter_column("mark", type_=sa.{model}, existing_type=sa.Text())
"""

SCRIPTS = (
    Script(
        "tables",
        upgrade="""
            sql(
                "CREATE TABLE item (id BIGINT PRIMARY KEY, mark TEXT)",
                "CREATE TABLE part (id BIGINT PRIMARY KEY, mark TEXT, spare TEXT)",
                "CREATE TABLE note (id BIGINT PRIMARY KEY, mark TEXT)",
                "CREATE TABLE junk (id BIGINT PRIMARY KEY, mark TEXT, old TEXT)",
            )
        """,
    ),
    Script("copy", upgrade=_COPY.format(column=", seen INTEGER"), downgrade=_COPY.format(column="")),
    Script("block", upgrade=_BLOCK, downgrade=_BLOCK),
    Script(
        "index",
        upgrade='op.create_index("ix_item_mark", "item", ["mark"])',
        downgrade='op.drop_index("ix_item_mark", "item")',
        transaction="own",
    ),
    Script(
        "move",
        upgrade="""
            sql("CREATE TABLE spare (id BIGINT PRIMARY KEY, text TEXT)", "INSERT INTO spare (id) SELECT id FROM part")
            op.move_column("part.spare", "spare.text", on={"id": "id"})
            with op.batch_alter_table("part") as batch:
                batch.drop_column("spare")
        """,
        downgrade="""
            op.add_column("part", sa.Column("spare", sa.Text()))
            op.move_column("spare.text", "part.spare", on={"id": "id"})
            op.drop_table("spare")
        """,
        moves={"part.spare": "spare.text"},
        lossy={"downgrade": {"spare": _LOST}},
    ),
    Script(
        "empty",
        upgrade='sql("UPDATE junk SET old = NULL WHERE id / 2 * 2 = id")',
        lossy={"upgrade": {"junk.old": _LOST}},
    ),
    Script(
        "drop",
        upgrade='with op.batch_alter_table("junk") as batch: batch.drop_column("old")',
        downgrade='op.add_column("junk", sa.Column("old", sa.Text()))',
        lossy={"upgrade": {"junk.old": _LOST}},
    ),
    Script(
        "retype",
        upgrade=_RETYPE.format(type="VARCHAR(80)", model="String(80)"),
        downgrade=_RETYPE.format(type="TEXT", model="Text()"),
    ),
)

_COLUMNS = {"item": ["mark"], "part": ["mark", "spare"], "note": ["mark"], "junk": ["mark", "old"]}


def _fill(table: str, columns: list[str]) -> str:
    texts = ", ".join(f"'w {table} {column} ' || i" for column in columns)
    return f"""
        INSERT INTO {table} (id, {", ".join(columns)})
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, {texts} FROM n
    """


FILL = tuple(_fill(table, columns) for table, columns in _COLUMNS.items())
