"""Defines the kinds of findings: each has an id, a problem, its consequence, and its fix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

Severity = Literal["error", "note"]


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        id: the stable id of the kind. Its first digit says which part of the proof makes such findings.
        title: the problem, in a few words.
        why: the consequence if nobody fixes the problem.
        fix: the way to fix the problem.
        severity: an error fails the command; a note does not.
    """

    id: str
    title: str
    why: str
    fix: str
    severity: Severity = "error"


_note = partial(FindingKind, severity="note")
_ALL = (
    FindingKind(
        "V101",
        "the history has more than one head",
        "`upgrade head` refuses to run, perhaps in the middle of a deployment.",
        "Write a merge revision (`alembic merge heads`), or move one branch on top of the other branch.",
    ),
    FindingKind(
        "V102",
        "the revision files form no history",
        "No command of Alembic works until the revision files are fixed.",
        "Restore or rename the file that the finding names. Each id must be unique, and lead back to base.",
    ),
    FindingKind(
        "V103",
        "a revision id is too long for the version table",
        "The column of the version table is a VARCHAR(32). PostgreSQL refuses the id at the end of the upgrade.",
        "Give the revision an id of at most 32 characters, or widen `version_num` in an earlier revision.",
    ),
    FindingKind(
        "V104",
        "a name is too long for PostgreSQL",
        "PostgreSQL cuts a name at 63 bytes. A later DROP by the full name finds another object, or no object.",
        "Give the object a shorter name, or leave its name to a naming convention.",
    ),
    FindingKind(
        "V105",
        "rollback.sh does not match the history",
        "`rollback.sh` refuses to run, or goes back to a wrong revision.",
        "Run `inv db.rollback-script`.",
    ),
    FindingKind(
        "V106",
        "the revision files cannot be imported",
        "Alembic imports all revision files before it runs the first revision.",
        "Remove the failing statement from the top of the file. A revision needs only `alembic` and `sqlalchemy`.",
    ),
    _note(
        "V107",
        "one step back from a merge is ambiguous",
        "`alembic downgrade -1` refuses to run at a merge, since two revisions are one step below.",
        "Go back to a revision by its id: `alembic downgrade ID`, or use `inv db.rollback`.",
    ),
    FindingKind(
        "V201",
        "a revision imports the application",
        "The revision uses the models of today. When the models change, the revision has another effect, or fails.",
        "Write the definitions of the tables that the revision needs into the revision file.",
    ),
    _note(
        "V202",
        "a revision goes through a table row by row",
        "The revision locks the table until it has visited all rows. A single statement is much faster.",
        "Write a single UPDATE, or a single INSERT that takes its rows from a SELECT.",
    ),
    FindingKind(
        "V301",
        "the upgrade fails on empty tables",
        "Nobody can make a new database, or upgrade an old database past this revision.",
        "Read the message of the engine. Use SQL that both engines know, or ask `op.get_bind().dialect.name`. If an "
        "administrator creates the missing schema or extension, create it in a file of SQL for `--start`.",
    ),
    FindingKind(
        "V302",
        "the upgrade fails on tables with rows",
        "The upgrade works on the machine of every developer, and fails in production.",
        "Give a NOT NULL column a `server_default`. Correct the values that a constraint or the code refuses.",
    ),
    FindingKind(
        "V303",
        "the schema is different if all revisions run at once and not one by one",
        "A new database differs from a database that was upgraded release by release.",
        "The revision must not need a change that another revision makes in the same run, such as a new enum type.",
    ),
    FindingKind(
        "V304",
        "running all revisions at once fails",
        "Nobody can make a new database, though each revision works alone.",
        "Proceed as for V303. On PostgreSQL a new enum value can be used only after a commit.",
    ),
    FindingKind(
        "V305",
        "after a downgrade, a second upgrade does not give the schema of the first upgrade",
        "After a rollback and an upgrade, the code finds a schema that it does not expect.",
        "Let the downgrade undo everything, including changes to objects that existed before the upgrade.",
    ),
    FindingKind(
        "V306",
        "the upgrade works in one run with earlier revisions, but fails in a run of its own",
        "A new database works, but a database at the previous revision cannot be upgraded.",
        "For an enum type that exists already, write `postgresql.ENUM(..., create_type=False)`.",
    ),
    FindingKind(
        "V307",
        "the history starts from a table that no revision makes",
        "No new database can be made from the revisions alone. Something else, such as `create_all`, makes this table.",
        "Name the file or function that makes the table: `--start=FILE.sql` or `--start=module:function`.",
    ),
    FindingKind(
        "V308",
        "several revisions in one run fail on tables with rows",
        "A database that is more than one revision behind cannot be upgraded, though each revision works alone.",
        "Execute `SET CONSTRAINTS ALL IMMEDIATE` after changes of rows, or use `transaction_per_migration`.",
    ),
    FindingKind(
        "V309",
        "a database from the snapshot differs from a database that has run the revisions",
        "New databases load the snapshot, so they differ from upgraded databases. No other command notices this.",
        "Delete the snapshot, and write it again: `inv db.snapshot`.",
    ),
    FindingKind(
        "V310",
        "the upgrade of tables with rows gives another schema than the upgrade of empty tables",
        "Databases at the same revision differ, and each later revision can fail on some of them.",
        "Do not catch errors, and do not make the schema depend on the rows. Let the upgrade fail instead.",
    ),
    FindingKind(
        "V401",
        "the downgrade fails on empty tables",
        "A rollback fails at this revision, perhaps in an emergency at night.",
        "Undo the steps of the upgrade in the opposite order, or declare `irreversible`.",
    ),
    FindingKind(
        "V402",
        "the downgrade fails on tables with rows",
        "A rollback stops at this revision as soon as somebody has worked with the new release.",
        "Correct the values before the old constraint comes back, or declare `irreversible`.",
    ),
    FindingKind(
        "V403",
        "the downgrade does not restore the schema",
        "After a rollback, the previous release runs on a schema with which it was never tested.",
        "Let the downgrade restore all that was changed: names, defaults, NOT NULL, and actions of foreign keys.",
    ),
    FindingKind(
        "V404",
        "the downgrade leaves something behind",
        "The next upgrade fails, because it creates an object that the downgrade left behind.",
        "Drop the object in the downgrade. PostgreSQL does not drop an enum type with its column.",
    ),
    _note(
        "V405",
        "the downgrade changes the order of the columns",
        "INSERT without column names, and SELECT *, use an order that differs from the order before the upgrade.",
        "Do nothing if all SQL names its columns.",
    ),
    _note(
        "V406",
        "the downgrade of the revision refuses to run",
        "A rollback stops above this revision.",
        'Do nothing if this is on purpose. With `irreversible = "why"`, a rollback is refused before it begins.',
    ),
    FindingKind(
        "V407",
        "the downgrade does not restore the rights of roles",
        "A role has more or fewer rights than before the upgrade, and no comparison of schemas shows this.",
        "In the downgrade, revoke new rights and grant the old rights, also on tables that the downgrade creates.",
    ),
    FindingKind(
        "V501",
        "the upgrade loses data that the revision does not declare",
        "`inv db.upgrade` refuses the upgrade. Plain Alembic loses the data, and no author or reviewer learns of it.",
        'Keep the data, or declare the loss: `lossy = {"upgrade": {"table.column": "why"}}`.',
    ),
    FindingKind(
        "V502",
        "the downgrade loses data that the revision does not declare",
        "`inv db.rollback` refuses the rollback, and plain Alembic loses the data without a message.",
        'Keep the data, or declare the loss: `lossy = {"downgrade": {"table.column": "why"}}`.',
    ),
    FindingKind(
        "V503",
        "a declared loss does not happen",
        "A rollback asks for a confirmation without reason. People learn to confirm everything.",
        "Remove the item from `lossy`, or correct its name.",
    ),
    FindingKind(
        "V504",
        "rows change when the revision runs in both directions",
        "An upgrade that is followed by its rollback changes data that users have entered.",
        "Let the downgrade restore the values, or declare the values that it cannot restore.",
    ),
    FindingKind(
        "V505",
        "rows refer to missing rows, or a foreign key was never checked",
        "The next statement that checks the rows fails, or a delete removes the wrong rows.",
        "Correct the rows before you create and validate the foreign key. The key must refer to unique columns.",
    ),
    FindingKind(
        "V506",
        "a rebuild of a table loses objects of the table",
        "On SQLite, Alembic rebuilds a table to change it. Objects that Alembic does not know are lost.",
        "Create the lost object again after the rebuild, in both directions, or declare the loss in `lossy`.",
    ),
    _note(
        "V507",
        "no valid row can be made for a table",
        "The effect of the revision on rows of this table is not proved.",
        "In the file of `--rows-from=FILE`, give the revision values that the constraints accept.",
    ),
    FindingKind(
        "V508",
        "a sequence is behind the rows of its table",
        "The next inserted rows get numbers that exist already, and PostgreSQL refuses these rows.",
        "Set the sequence to the highest copied id: `SELECT setval('table_id_seq', (SELECT max(id) FROM table))`.",
    ),
    _note(
        "V509",
        "a revision fails, or changes rows, only if the rows have awkward values",
        "Applications seldom write such values, but the types allow them.",
        'Correct the revision, or use `--rows-from`: `ROWS = {"REVISION": {"table.column": [...]}}`.',
    ),
    _note(
        "V510",
        "a text may be too long for an index",
        "PostgreSQL refuses to store a text of more than 2,704 bytes, after compression, in a B-tree index.",
        "Limit the column's length, or index `md5(column)`. If no text is long, give short texts with `--rows-from`.",
    ),
    FindingKind(
        "V511",
        "a cast to another type loses a part of the values",
        "The upgrade succeeds, but it shortens, rounds or empties values. No downgrade restores the old values.",
        'Keep the old column, or declare the loss: `lossy = {"upgrade": {"table.column": "why"}}`.',
    ),
    FindingKind(
        "V512",
        "the upgrade puts the values of one column into another column",
        "The application reads each value under the wrong name, and no error says so.",
        "Name the columns on both sides: `INSERT INTO new (a, b) SELECT a, b FROM old`.",
    ),
    FindingKind(
        "V601",
        "the two engines have different schemas",
        "Code that works on the SQLite of a developer fails on the PostgreSQL of production, or the other way round.",
        "Write the type, default or constraint so that both engines have it.",
    ),
    FindingKind(
        "V602",
        "the two engines behave differently",
        "A developer on SQLite and a user on PostgreSQL see different results.",
        "Give the constraint, the action of the foreign key or the default to both engines.",
    ),
    FindingKind(
        "V603",
        "the upgrade leaves different values on SQLite and on PostgreSQL",
        "The same rows become different rows. A developer on SQLite does not see the rows that production gets.",
        "Use operators that mean the same on both engines. For example, LIKE ignores case only on SQLite.",
    ),
    FindingKind(
        "V701",
        "the models differ from the migrations",
        "The application fails if it uses a column or table that the database does not have.",
        'Run `inv db.revision --message="..."`. Write the difference by hand if Alembic does not see it.',
    ),
    FindingKind(
        "V702",
        "most tables have no model: perhaps the models were not imported",
        "`--autogenerate` would drop all of these tables. The other tables are not compared with their models.",
        "In the module that defines the metadata, import every module with models. Drop old tables in a revision.",
    ),
    FindingKind(
        "V703",
        "a model is not registered",
        "Neither `db.revision` nor `db.check` sees the table of the model.",
        "In the module that defines the metadata, import the module of the model.",
    ),
    FindingKind(
        "V704",
        "a mapped class cannot be used through the ORM",
        "The application cannot insert, load, change or delete an object: a label, a mapping or a right is wrong.",
        "Repeat the failing step on the engine of the finding. Then fix the model, or grant the right in a revision.",
    ),
    FindingKind(
        "V705",
        "the role of the application cannot use a table or sequence",
        "If the application has a role of its own, PostgreSQL refuses every statement on this table or sequence.",
        "Grant the rights in the revision that makes the object, by ALTER DEFAULT PRIVILEGES, or by `inv db.grant`.",
    ),
    _note(
        "V706",
        "a column looks like a foreign key, but has none",
        "The database accepts references to missing rows. The models lack the key too, so no comparison shows this.",
        "Add the foreign key to the model and in a revision. Do nothing if references to missing rows are allowed.",
    ),
    _note(
        "V707",
        "no index begins with the columns of a foreign key",
        "A delete of a referenced row has to read the whole referencing table, and holds its locks until it is done.",
        "Create an index on the columns: `index=True` in the model.",
    ),
    _note(
        "V708",
        "a foreign key has no ON DELETE, but similar foreign keys have one",
        "The database refuses a delete because of this key, although the other keys permit it.",
        "Give the key the same `ondelete=`, or do nothing if such a delete should be refused.",
    ),
    _note(
        "V709",
        "a foreign key and the key that it refers to have different types",
        "A value that is valid in one column can be invalid in the other column, and a join has to cast.",
        "Give both columns the same type.",
    ),
    FindingKind(
        "V801",
        "a revision takes longer than `alembic.ini` allows",
        "The revision holds its locks during all this time, and other sessions that need the locks have to wait.",
        "Split the revision, or move the data in smaller steps.",
    ),
    FindingKind(
        "V901",
        "a revision was changed after a database had run it",
        "Databases that have already run the revision never get the change, and no other command reports this.",
        "Restore the file, and write the change as a new revision.",
    ),
)
KINDS = {kind.id: kind for kind in _ALL}
