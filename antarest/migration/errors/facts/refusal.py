"""Codes `db.E7xx` and `db.E8xx`: operations that were refused before they began, and checks that have findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..base import EXIT_NOT_PROVED, EXIT_USAGE, NOTHING_CHANGED, Hint, MigrationError
from ..settings.location import PACKAGE
from ..text import count, numbered, shorten


class InMemoryDatabase(MigrationError, code="db.E701", exit_code=EXIT_USAGE):
    """The configuration names a database that exists only until the command ends.

    Why: `sqlite://` or `:memory:` is a database inside one process. When the process ends, the result of the command
    is lost.

    To do: name a file in `db.url`.
    """

    def __init__(self, source: Path | None) -> None:
        super().__init__(
            "the configured database is an SQLite database in memory, which is gone when the command ends",
            Hint("Name a file in the configuration", "db.url: sqlite:///antarest.db"),
            details={"configuration": str(source)} if source else {},
        )


class ResetRefused(MigrationError, code="db.E702"):
    """A reset or a seed was refused, because others seem to use the database.

    Why: the configuration says `environment: production`, or the server is on another host.

    To do: check which database the message names. If this is the right database, repeat the command with
    `--allow-production`.
    """

    def __init__(self, reason: str, database: str, verb: str = "reset") -> None:
        super().__init__(
            f"db.{verb} is refused: {reason}",
            Hint("See which database is configured", "inv db.status"),
            Hint(f"If it is the one to {verb}, say so", f"inv db.{verb} --allow-production"),
            details={"database": database},
        )


class ResetNotConfirmed(MigrationError, code="db.E703"):
    """A reset would lose rows, and nobody has agreed to it.

    Why: a reset drops every table that the revisions create, with its partitions, and these tables have rows. Or others
    have written rows since you agreed.

    To do: on a terminal, `inv db.reset` shows the rows that would be lost, and asks you. In a script, `--yes
    --allow-data-loss` agrees to the loss.
    """

    def __init__(self, database: str, rows: str, tables: int, *, agreed: str = "") -> None:
        super().__init__(
            f"db.reset would lose {rows} in {count(tables, 'table')}"
            + (f", and you have agreed to lose {agreed}" if agreed else ""),
            Hint("Agree to the loss", "inv db.reset --yes --allow-data-loss"),
            details={"database": database},
        )


class ResetBlocked(MigrationError, code="db.E708"):
    """A reset was rolled back, because other objects depend on the objects that it has to drop.

    Why: a reset drops only the objects that the revisions create. Somebody else has created an object that depends on
    these objects: for example, a view on a table, a foreign key to a table, or a column with a type of the revisions.
    PostgreSQL refuses to drop an object while another object depends on it. On SQLite, rows of other tables would refer
    to rows that the reset deletes.

    To do: drop the dependent objects, which the message names, or remove the foreign key, the default, the column or
    the rows. Create them again after the reset. If a revision should create them in the future, write this revision
    before the reset.
    """

    def __init__(self, dependents: Sequence[str], database: str) -> None:
        self.dependents = tuple(dependents)
        super().__init__(
            "db.reset cannot drop all objects of the history, because objects of others depend on them",
            Hint("Drop what depends on the history, then reset again, and create it again", "inv db.reset"),
            details={"database": database} | numbered("because", dependents, 3),
        )


class NotConfirmed(MigrationError, code="db.E704"):
    """The question was answered with no, or nobody could answer it.

    Why: the answer was no, or the command ran in a pipe, where nobody can answer.

    To do: there is nothing to fix. In a script, give the flag that the message shows. The flag answers the question in
    advance.
    """

    def __init__(self, question: str, command: str) -> None:
        super().__init__(f"not confirmed: {question}", Hint("Answer it in advance", command))


class SqlNotSupported(MigrationError, code="db.E705"):
    """`--sql` does not work for SQLite.

    Why: `alembic upgrade --sql` writes a script without a database. To rebuild a table in SQLite, Alembic has to read
    the table from the database.

    To do: upgrade the SQLite file itself. For a dry run, upgrade a copy of the file.
    """

    def __init__(self, database: str) -> None:
        super().__init__(
            "--sql writes scripts for PostgreSQL only; SQLite rebuilds tables, which needs the database itself",
            Hint("Run the same command without --sql: it works on the file itself."),
            details={"database": database},
        )


class Unrecorded(MigrationError, code="db.E706"):
    """The database records no revision, but it has tables that the revisions create.

    Why: the tables were made in another way (`metadata.create_all()`, a dump, a copy), or the revision is recorded in a
    version table of another schema. An upgrade would create the tables again, and change values a second time.

    To do: name the schema of the version table. Or use `alembic stamp` to record the revision whose schema the database
    has. The message names the revisions after which a database has the same tables and columns. If the revisions expect
    that the tables exist, run all revisions with `inv db.upgrade --from-base` (`alembic -x from-base upgrade head`). Do
    this too if each schema has a history of its own, as for tenants: the URL of a tenant names the schema, with
    `?options=-csearch_path%3DTENANT`.
    """

    def __init__(
        self,
        database: str,
        tables: Sequence[str],
        fits: Sequence[str],
        elsewhere: Mapping[str, Sequence[str]],
        version_table: str,
    ) -> None:
        self.tables, self.fits = tuple(tables), tuple(fits)
        recorded = [f"{' and '.join(ids)} in {schema}.{version_table}" for schema, ids in elsewhere.items()]
        named = [
            Hint("Read that one: in alembic.ini, section [antarest]", f"version_table_schema = {schema}")
            for schema in elsewhere
        ]
        # Two version tables belong to two tenants. A database with only one version table may be that of the first
        # tenant.
        start = "If the history is meant to meet what is there"
        if elsewhere and not tables:
            start = "If each schema has a history of its own, as for tenants, begin in this one"
        revision = fits[0] if len(fits) == 1 else "REV"
        stamp = Hint("Record the revision that it is at", f"alembic stamp {revision}")
        super().__init__(
            "the database has no recorded revision, and is not empty: an upgrade would start at base",
            *(named if len(named) == 1 else []),
            *([stamp] if tables else []),
            Hint(start, "inv db.upgrade --from-base"),
            details={"database": database}
            | ({"recorded": shorten(recorded)} if recorded else {})
            | ({"tables": shorten(tables)} if tables else {})
            | ({"as after": shorten(fits)} if fits else {}),
            state=f"{NOTHING_CHANGED} The database is still at base.",
        )


class RowsOverlap(MigrationError, code="db.E707"):
    """The version table records two revisions, and one of them comes before the other.

    Why: somebody inserted a row by hand, or two tools wrote to the table. The rows do not tell which of the two
    revisions the database is at.

    To do: find out which of the two revisions leads to the tables and columns that the database has. Record only that
    revision, with `alembic stamp --purge`.
    """

    def __init__(self, included: str, revision: str, database: str) -> None:
        super().__init__(
            f"the database records revision {revision}, and {included}, which is below it",
            Hint("See both", f"inv db.history --to={revision}"),
            Hint("Record the one that it is at, alone", f"alembic stamp --purge {revision}"),
            details={"database": database},
        )


class NotAtHead(MigrationError, code="db.E720"):
    """The command needs a database at head, and this database is not at head.

    Why: the command works with the tables of the models. This database has the tables of an older revision, or it has
    no tables.

    To do: run `inv db.upgrade`, then the command again.
    """

    def __init__(self, verb: str, current: str, head: str, database: str) -> None:
        super().__init__(
            f"db.{verb} needs a database at head: it is at {current}, and head is {head}",
            Hint("Upgrade it", "inv db.upgrade"),
            details={"database": database},
        )


class AlreadyFilled(MigrationError, code="db.E721"):
    """A seed was refused, because the database has rows: invented rows would be mixed with real rows.

    Why: the database was seeded before, or somebody works with it.

    To do: use another database. If nobody needs the rows, run `inv db.reset`, and then the seed again.
    """

    def __init__(self, rows: int, tables: int, database: str) -> None:
        super().__init__(
            f"db.seed fills an empty database, and this one has {count(rows, 'row')} in {count(tables, 'table')}",
            Hint("See which database is configured", "inv db.status"),
            Hint("Name another database, which is empty", "inv db.seed --config=PATH"),
            details={"database": database},
        )


class PackageMissing(MigrationError, code="db.E722", exit_code=EXIT_USAGE):
    """A command for development needs a package that is not installed here.

    Why: only the packages for production are installed here.

    To do: run `make install` in a checkout, or install the package that the message names.
    """

    def __init__(self, package: str, needed_by: str) -> None:
        super().__init__(
            f"the package {package} is not installed, and is needed",
            Hint("Install the package that has it; often it has the same name", f"pip install {package}"),
            details={"needed by": needed_by},
        )


class InstalledCopy(MigrationError, code="db.E723", exit_code=EXIT_USAGE):
    """The command works with the files of a checkout, and this copy was installed from a wheel.

    Why: the next release replaces the files in site-packages, so a revision that was written there would be lost.

    To do: write the revision in a checkout, build a wheel with `make wheel`, and install it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "this is an installed copy of the migrations, which the next release replaces",
            Hint("Change the migrations in a checkout, and install the wheel built there", "make wheel"),
            Hint("Or name the project to work on", f"python -m {PACKAGE} check --project=PATH/alembic.ini"),
            details={"folder": str(folder)},
        )


# ---- the checks


class RollbackScriptStale(MigrationError, code="db.E801"):
    """`rollback.sh` was made for a head that is not the head of the revision files.

    Why: revision files were added, renamed or deleted, but the script was not updated. Or a merge kept an old version
    of the script. The script could go back to a wrong revision.

    To do: `inv db.rollback-script` writes the script again. `inv db.rollback` rolls back without the script.
    """

    def __init__(self, path: Path, written_for: str, head: str) -> None:
        self.written_for, self.head = written_for, head
        super().__init__(
            f"{path.name} was written for head {written_for}, and the head is {head}",
            Hint("Write it again", "inv db.rollback-script"),
            Hint("Or see what one step back from where the database is would undo", "inv db.rollback --dry-run"),
            details={"file": str(path)},
        )


class VerifyFailed(MigrationError, code="db.E803"):
    """`db.verify` has findings.

    Why: the command runs each revision up, down and up again, with rows, on both engines. At least one revision failed
    or did not preserve a row. `docs/verify.md` explains each finding by its id.

    To do: the lines below each kind of finding say how to fix it. With `--revisions=ID`, the command verifies only the
    revision `ID`.
    """

    def __init__(self, findings: int) -> None:
        super().__init__(
            f"db.verify has {count(findings, 'finding')}, see above",
            Hint("Fix them, then prove it again", "inv db.verify"),
        )


class NotAllProved(MigrationError, code="db.E805", exit_code=EXIT_NOT_PROVED):
    """`db.verify` has no finding, but it could not prove everything that you asked for.

    Why: a revision or a table could not be tried, or a part of the proof ended with an unexpected error. The lines
    below "not proved" give each reason.

    To do: remove the reason, for example with rows that the constraints accept (`--rows-from`). Or prove less, with
    `--engine` and `--revisions`. `--debug` and `--json` show the tracebacks.
    """

    def __init__(self, missing: int) -> None:
        super().__init__(
            f"db.verify has no finding, and {count(missing, 'thing')} could not be proved, see above",
            Hint("Remove the reasons, then prove it again", "inv db.verify"),
        )


class CheckFailed(MigrationError, code="db.E802"):
    """`db.check` has findings.

    Why: the lines above the error are the findings: two heads, a `rollback.sh` or a diagram that is not up to date, a
    model that is not registered, or models and migrations that differ.

    To do: the line below each finding has a command that fixes the problem or shows more.
    """

    def __init__(self, findings: int) -> None:
        super().__init__(
            f"db.check has {count(findings, 'finding')}, see above", Hint("Fix them, then check again", "inv db.check")
        )
