"""Codes `db.E7xx` and `db.E8xx`: operations that are refused before they begin, and the checks."""

from __future__ import annotations

from pathlib import Path

from ..base import EXIT_USAGE, Hint, MigrationError
from ..settings.location import PACKAGE
from ..text import count


class InMemoryDatabase(MigrationError):
    """The configuration names a database that would be gone when the command ends.

    Why: `sqlite://` or `:memory:` is a database of one process: whatever the command did would be gone when it ends.

    To do: name a file in `db.url`.
    """

    code = "db.E701"
    exit_code = EXIT_USAGE

    def __init__(self, source: Path | None) -> None:
        super().__init__(
            "the configured database is an SQLite database in memory, which is gone when the command ends",
            details={"configuration": str(source)} if source else {},
            hints=[Hint("Name a file in the configuration", "db.url: sqlite:///antarest.db")],
        )


class ResetRefused(MigrationError):
    """A reset, or a seed, of a database that looks like one that others use.

    Why: the configuration says `environment: production`, or the server is on another host.

    To do: look twice at the database in the message. If it is really the one, repeat the command with
    `--allow-production`.
    """

    code = "db.E702"

    def __init__(self, reason: str, database: str, verb: str = "reset") -> None:
        super().__init__(
            f"db.{verb} is refused: {reason}",
            details={"database": database},
            hints=[
                Hint("See which database is configured", "inv db.status"),
                Hint(f"If it is the one to {verb}, say so", f"inv db.{verb} --allow-production"),
            ],
        )


class ResetNotConfirmed(MigrationError):
    """A reset of a database that has rows, and nobody has agreed to lose them.

    Why: a reset drops every table of the history, and this database has rows in them.

    To do: `inv db.reset` on a terminal shows what would go and asks; in a script, `--yes --allow-data-loss` agrees to
    it.
    """

    code = "db.E703"

    def __init__(self, database: str, rows: int, tables: int) -> None:
        self.rows = rows
        super().__init__(
            f"db.reset would lose {count(rows, 'row')} in {count(tables, 'table')}",
            details={"database": database},
            hints=[Hint("Agree to it", "inv db.reset --yes --allow-data-loss")],
        )


class NotConfirmed(MigrationError):
    """The question was answered with no, or nobody was there to answer it.

    Why: the answer was no, or the command ran in a pipe, where nobody can answer.

    To do: nothing is to be mended. In a script, answer in advance with the flag that the message shows.
    """

    code = "db.E704"

    def __init__(self, question: str, command: str) -> None:
        super().__init__(f"not confirmed: {question}", hints=[Hint("Answer it in advance", command)])


class SqlNotSupported(MigrationError):
    """`--sql` for SQLite, whose table rebuilds need the database itself.

    Why: `alembic upgrade --sql` writes a script without looking at a database, and a table is rebuilt in SQLite by
    looking at what it is.

    To do: upgrade the file itself; for a dry run, upgrade a copy of it.
    """

    code = "db.E705"

    def __init__(self, database: str) -> None:
        super().__init__(
            "--sql writes scripts for PostgreSQL only; SQLite rebuilds tables, which needs the database itself",
            details={"database": database},
            hints=[Hint("Upgrade the SQLite file directly", "alembic upgrade head")],
        )


class NotAtHead(MigrationError):
    """A database has to be at head for this, and is not.

    Why: the command works with the tables of the models, and this database has those of an older revision, or none.

    To do: run `inv db.upgrade`, then the command again.
    """

    code = "db.E720"

    def __init__(self, verb: str, current: str, head: str, database: str) -> None:
        super().__init__(
            f"db.{verb} needs a database at head: it is at {current}, and head is {head}",
            details={"database": database},
            hints=[Hint("Upgrade it", "inv db.upgrade")],
        )


class AlreadyFilled(MigrationError):
    """A seed of a database that has rows: it would mix what was made up with what somebody entered.

    Why: it was seeded before, or somebody works with it.

    To do: use another database. If its rows can go, `inv db.reset` empties it, and then it can be seeded.
    """

    code = "db.E721"

    def __init__(self, rows: int, tables: int, database: str) -> None:
        self.rows = rows
        super().__init__(
            f"db.seed fills an empty database, and this one has {count(rows, 'row')} in {count(tables, 'table')}",
            details={"database": database},
            hints=[
                Hint("See which database is configured", "inv db.status"),
                Hint("If its rows can go, empty it, then seed again", "inv db.reset"),
            ],
        )


class PackageMissing(MigrationError):
    """A command for development needs a package that is not installed here.

    Why: only the packages for production are installed here, without those for development.

    To do: `make install` in a checkout, or install the one package that the message names.
    """

    code = "db.E722"
    exit_code = EXIT_USAGE

    def __init__(self, package: str, needed_by: str) -> None:
        self.package = package
        super().__init__(
            f"the package {package} is not installed, and is needed",
            details={"needed by": needed_by},
            hints=[Hint("It is one for development: install it", f"pip install {package}")],
        )


class InstalledCopy(MigrationError):
    """Revisions are written and compared in a checkout; this copy was installed from a wheel.

    Why: what lies in site-packages is replaced with the next release, and a revision written there would be lost.

    To do: write the revision in a checkout, `make wheel`, and install that.
    """

    code = "db.E723"
    exit_code = EXIT_USAGE

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            "this is an installed copy of the migrations, which the next release replaces",
            details={"folder": str(folder)},
            hints=[
                Hint("Change the migrations in a checkout, and install what is built there", "make wheel"),
                Hint("Or name the project to work on", f"python -m {PACKAGE} check --project=PATH/alembic.ini"),
            ],
        )


# ---- the checks


class RollbackScriptStale(MigrationError):
    """`rollback.sh` was made for another head than the one that the files have.

    Why: revision files were added, renamed or deleted without writing the script anew, or a merge kept an old one. Run
    as it is, it would go somewhere else than one step back.

    To do: `inv db.rollback-script` writes it; `inv db.rollback` needs no script at all.
    """

    code = "db.E801"

    def __init__(self, path: Path, written_for: str, head: str) -> None:
        self.written_for, self.head = written_for, head
        super().__init__(
            f"{path.name} was written for head {written_for}, and the head is {head}",
            details={"file": str(path)},
            hints=[
                Hint("Write it anew", "inv db.rollback-script"),
                Hint("Or roll back one step from where the database is", "inv db.rollback"),
            ],
        )


class VerifyFailed(MigrationError):
    """`db.verify` found something.

    Why: a revision does not go up, down and up again on both engines with every row where it was; docs/verify.md
    explains each finding by its id.

    To do: below each kind of finding stands how to mend it. `--revisions=ID` proves one revision again.
    """

    code = "db.E803"

    def __init__(self, findings: int) -> None:
        self.findings = findings
        super().__init__(
            f"db.verify has {count(findings, 'finding')}, see above",
            hints=[Hint("Mend them, then prove it again", "inv db.verify")],
        )


class CheckFailed(MigrationError):
    """`db.check` found something.

    Why: the lines above the error are the findings: two heads, a stale script or diagram, a model that is not
    registered, or models and migrations that differ.

    To do: below each finding stands the command that mends it, or shows more.
    """

    code = "db.E802"

    def __init__(self, findings: int) -> None:
        self.findings = findings
        super().__init__(
            f"db.check has {count(findings, 'finding')}, see above",
            hints=[Hint("Mend them, then check again", "inv db.check")],
        )
