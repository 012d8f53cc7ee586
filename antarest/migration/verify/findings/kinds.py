"""What a proof can find: each kind with its id, what it means, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "note"]


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        id: its stable id; the hundreds say what was proved.
        title: what is wrong, in a few words.
        why: what happens to somebody who leaves it.
        mend: what to do.
        severity: a note is worth a look and fails nothing.
    """

    id: str
    title: str
    why: str
    mend: str
    severity: Severity = "error"


_ALL = (
    # ---- 1: the graph
    Kind(
        "V101",
        "the history has more than one head",
        "`upgrade head` refuses to run, in the middle of a deployment.",
        "Write a merge revision (`alembic merge heads`), or move one branch on top of the other one.",
    ),
    Kind(
        "V102",
        "the revision files make no history",
        "No command of Alembic works until the file is mended.",
        "Restore or rename the file that is named; each id must be there once, and lead to base.",
    ),
    Kind(
        "V103",
        "a revision id is longer than the version table takes",
        "The column is a VARCHAR(32): PostgreSQL refuses the upgrade when everything else is done.",
        "Give the revision an id of at most 32 characters.",
    ),
    Kind(
        "V104",
        "a name is longer than PostgreSQL keeps",
        "PostgreSQL cuts a name at 63 bytes; a later DROP by its full name then meets another object, or none.",
        "Give it a shorter name, or let a naming convention do it.",
    ),
    Kind(
        "V105",
        "rollback.sh is not what the history gives",
        "Whoever rolls back at night gets to another revision than the one below head.",
        "Run `inv db.rollback-script`.",
    ),
    Kind(
        "V106",
        "the revision files cannot be imported",
        "Alembic imports all of them before it runs the first one.",
        "Take what fails out of the top of the file. A revision needs `alembic` and `sqlalchemy` only.",
    ),
    # ---- 2: the file
    Kind(
        "V201",
        "a revision imports the application",
        "The models of today are not those of its day: once they change, it does something else, or fails.",
        "Write the tables and columns that it needs into the revision.",
    ),
    Kind(
        "V202",
        "a revision goes through a table row by row",
        "It holds the lock of the table for as long as the rows last, where one statement takes a moment.",
        "Write one UPDATE or INSERT ... SELECT.",
        "note",
    ),
    # ---- 3: up
    Kind(
        "V301",
        "the upgrade fails on empty tables",
        "No new database can be made, and none can get past this revision.",
        "The engine's own words say what it refuses; SQL must be of both engines, or ask `op.get_bind().dialect.name`.",
    ),
    Kind(
        "V302",
        "the upgrade fails on tables with rows",
        "It works on every developer's machine, and stops in production.",
        "Give a NOT NULL column a `server_default`; make values fit before a new constraint asks them to.",
    ),
    Kind(
        "V303",
        "one run over the whole history gives another schema than one run for each revision",
        "A new database differs from one that was upgraded release by release.",
        "Let the revision depend on nothing that another one did in the same run, such as an enum type it had created.",
    ),
    Kind(
        "V304",
        "one run over the whole history fails",
        "No new database can be made, though each revision works on its own.",
        "As for a schema that differs; on PostgreSQL a new enum value can be used only after a commit.",
    ),
    Kind(
        "V305",
        "a second upgrade gives another schema than the first",
        "After a rollback the database is not what the code expects.",
        "Let the downgrade undo everything, also what the upgrade found and left as it was.",
    ),
    # ---- 4: down
    Kind(
        "V401",
        "the downgrade fails on empty tables",
        "The rollback stops here, at night.",
        "Undo the steps of the upgrade in the opposite order; say `irreversible` where that cannot be.",
    ),
    Kind(
        "V402",
        "the downgrade fails on tables with rows",
        "The rollback stops here as soon as somebody has worked with the new release.",
        "Make the values fit before the constraint of old comes back, or say `irreversible`.",
    ),
    Kind(
        "V403",
        "the downgrade does not bring the schema back",
        "The release before meets a schema that it was never tested with.",
        "Let the downgrade write what the upgrade changed: names, defaults, nullability, actions of foreign keys.",
    ),
    Kind(
        "V404",
        "the downgrade leaves something behind",
        "The next upgrade fails because it is there already.",
        "Drop it in the downgrade; an enum type of PostgreSQL is not dropped with its column.",
    ),
    Kind(
        "V405",
        "the order of the columns is another one after the way back",
        "INSERT without names and SELECT * see another order.",
        "Nothing, where all SQL names its columns.",
        "note",
    ),
    # ---- 5: rows
    Kind(
        "V501",
        "the upgrade loses data that the revision does not declare",
        "Nobody who reads or reviews it is told, and the upgrade is refused where it is guarded.",
        'Keep the data, or declare it: `lossy = {"upgrade": {"table.column": "why"}}`.',
    ),
    Kind(
        "V502",
        "the downgrade loses data that the revision does not declare",
        "A rollback is refused where it is guarded, and loses rows without a word elsewhere.",
        'Keep the data, or declare it: `lossy = {"downgrade": {"table.column": "why"}}`.',
    ),
    Kind(
        "V503",
        "a declared loss does not happen",
        "Whoever rolls back is asked to agree to something that does not happen, and learns to agree to anything.",
        "Take it out of `lossy`, or correct its name.",
    ),
    Kind(
        "V504",
        "rows are not the same after the way back",
        "What users had entered is changed by an upgrade that is rolled back.",
        "Let the downgrade restore the values, or declare what it cannot.",
    ),
    Kind(
        "V505",
        "rows point nowhere, or a foreign key was never checked",
        "The next statement that checks them fails, or deletes follow the wrong rows.",
        "Bring the rows in line before the key is made, and `VALIDATE` it; let it refer to what is unique.",
    ),
    Kind(
        "V506",
        "a rebuild of a table loses what belongs to it",
        "SQLite rebuilds the table, and what the rebuild does not see is gone without a word.",
        "Create it again behind the rebuild, in both directions, or declare it in `lossy`.",
    ),
    Kind(
        "V507",
        "no row can be made for a table",
        "What the revision does to rows of this table is not proved.",
        "Give values that its constraints accept, by revision, with `--rows-from=FILE`.",
        "note",
    ),
    Kind(
        "V508",
        "a sequence stands behind the rows of its table",
        "The next rows that are inserted get numbers that are taken, and are refused.",
        "Set it behind the copied rows: `SELECT setval('table_id_seq', (SELECT max(id) FROM table))`.",
    ),
    # ---- 6: parity
    Kind(
        "V601",
        "the two engines have another schema",
        "What works on the developer's SQLite fails on the production PostgreSQL, or the other way round.",
        "Write the type, default or constraint so that both have it.",
    ),
    Kind(
        "V602",
        "the two engines do not do the same",
        "What a developer sees on SQLite is not what users see on PostgreSQL.",
        "Give the constraint, the action of the foreign key or the default to both engines.",
    ),
    # ---- 7: the models
    Kind(
        "V701",
        "the models are not what the migrations make",
        "The application reads and writes what the database does not have.",
        'Run `inv db.revision --message="..."`, or write the difference by hand where Alembic does not see it.',
    ),
    Kind(
        "V702",
        "most tables have no model: the models were not imported",
        "`--autogenerate` would drop them all.",
        "Import every module with models where the metadata comes from.",
    ),
    Kind(
        "V703",
        "a model is not registered",
        "Neither `db.revision` nor the drift check knows its table.",
        "Import its module where the metadata comes from.",
    ),
    Kind(
        "V704",
        "a mapped class cannot be used through the ORM",
        "The tables are as the models say, and yet the application cannot insert, load, change or delete one: a default"
        " that only one engine knows, a mapping that does not fit, a right that the application's role lacks.",
        "Use it as the message says, on that engine, and mend the model, or give the right in a revision.",
    ),
    # ---- 8: impact
    Kind(
        "V801",
        "a revision takes longer than `alembic.ini` allows",
        "It holds its locks for as long.",
        "Split it, or move the data in smaller steps.",
    ),
    # ---- 9: from before
    Kind(
        "V901",
        "a revision was changed after it was applied elsewhere",
        "The databases that have run it already never get what was changed, and nothing says so.",
        "Restore the file, and write the change as a revision of its own.",
    ),
)
KINDS = {kind.id: kind for kind in _ALL}


@dataclass(frozen=True)
class Finding:
    """Something that was found.

    Attributes:
        id: which kind it is.
        found: what was found, in one line.
        revision: where; empty for the history as a whole.
        engine: on which; empty for both, or none.
        expected: what should have been, where that is not plain.
        severity: as its kind has it, unless the project makes it less.
    """

    id: str
    found: str
    revision: str = ""
    engine: str = ""
    expected: str = ""
    severity: Severity = "error"

    @classmethod
    def of(cls, id_: str, found: str, revision: str = "", engine: str = "", **more: str) -> Finding:
        """A finding with the severity of its kind."""
        values = {"severity": KINDS[id_].severity, **more}
        return cls(id_, " ".join(found.split()), revision, engine, **values)  # type: ignore[arg-type]  # all are texts

    @property
    def kind(self) -> Kind:
        """Its kind."""
        return KINDS[self.id]


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors before notes, each in the order of their ids; nothing twice."""
    return sorted(dict.fromkeys(findings), key=lambda each: (each.severity != "error", each.id))
