"""Codes `app.E1xx`, and `db.E211`: the application cannot be launched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from antarest.migration.errors.base import EXIT_USAGE, AntarestError, Hint
from antarest.migration.errors.facts.project import UnknownRevision
from antarest.migration.errors.settings.location import INSTALLED
from antarest.migration.errors.text import count, position, shorten

if TYPE_CHECKING:
    from antarest.migration.project.project import Project

_STATUS = Hint("See where it is", "inv db.status")
_LAST_PORT = 65_535


class AppError(AntarestError, code="app.E100"):
    """The application cannot be launched, or cannot answer."""


class PortTaken(AppError, code="app.E101"):
    """Another program listens on the port.

    Why: the server is already running, or another program uses the port. The message names that program if the system
    allows it.

    To do: choose another port with `--port`, or stop the other program. `--port=0` takes any free port.
    """

    def __init__(self, host: str, port: int, *, holder: str, command: str) -> None:
        self.host, self.port, self.holder = host, port, holder
        super().__init__(
            f"port {port} of {host} is taken" + (f" by {holder}" if holder else ""),
            Hint("Take any free port", f"{command} --port=0"),
            Hint("Or name another one", f"{command} --port={port + 1 if port < _LAST_PORT else port - 1}"),
        )


class HostNotOurs(AppError, code="app.E102", exit_code=EXIT_USAGE):
    """The host to listen on is not an address of this machine, or the name of the host is unknown.

    Why: `server.host` or `--host` is the address of another machine, such as a load balancer, or a misspelt name.

    To do: write an address of this machine: `127.0.0.1` if only programs on this machine connect, or `0.0.0.0` to
    listen on all addresses of this machine.
    """

    def __init__(self, host: str, reason: str, *, command: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(
            f"this machine cannot listen on {host}: {reason}",
            Hint("For this machine alone", f"{command} --host=127.0.0.1"),
            Hint("For the whole network", f"{command} --host=0.0.0.0"),
        )


class PortForbidden(AppError, code="app.E103", exit_code=EXIT_USAGE):
    """The system does not allow this user to listen on the port.

    Why: ports below 1024 are for the system, and this user is not allowed to use them.

    To do: choose a port above 1023, and let a proxy listen on the port below 1024.
    """

    def __init__(self, port: int, reason: str, *, command: str) -> None:
        self.port = port
        super().__init__(
            f"this user may not listen on port {port}: {reason}",
            Hint("Take a port above 1023", f"{command} --port=8080"),
        )


class SchemaBehind(AppError, code="app.E104"):
    """The database is older than the application, so it has to be upgraded first.

    Why: a new release was installed and the database was not migrated yet, or the configuration names a new database.

    To do: run `inv db.upgrade`. With `--auto-upgrade-db`, the application upgrades the database when it starts. If
    there are several nodes, use this flag on one node only.
    """

    status: int = 503

    def __init__(self, database: str, current: Sequence[str], pending: Sequence[str], head: str, command: str) -> None:
        self.current, self.pending, self.head = tuple(current), tuple(pending), head
        number = len(pending)
        super().__init__(
            f"the database is {'older than this application' if current else 'empty'}: "
            f"{count(number, 'revision')} {'is' if number == 1 else 'are'} pending",
            Hint("Upgrade it", "inv db.upgrade"),
            Hint("Or upgrade it at the start", command),
            details={
                "database": database,
                "current": position(current),
                "pending": shorten(pending),
                "head": head,
            },
        )


class SchemaAhead(UnknownRevision, code="db.E211"):
    """The database was upgraded by a newer version of the application.

    Why: the database was upgraded for a newer release. This node still runs the old release, or the old release was
    started again although the database was not rolled back.

    To do: start the newer release. To stay with the old release, first roll the database back with the newer release,
    because only the newer release has the downgrade. In a clone of the repository, `inv db.sync` rolls the database
    back.
    """

    status: int = 503

    def __init__(
        self, revision: str, database: str, heads: Sequence[str], known: int, folder: str, elsewhere: str = ""
    ) -> None:
        super().__init__(revision, database, heads, known, folder, elsewhere)
        self.message = "this database was upgraded by a newer version of AntaREST"
        self.args = (self.message,)
        self.details = {"database": database, "current": revision, "this code": f"its head is {shorten(heads)}"}
        if not INSTALLED:  # In a checkout, the hints of the base class stay: they are for developers.
            return
        self.hints = (
            Hint("Start the version that upgraded it, or a newer one"),
            Hint(
                "Or see, with that version, what a rollback to this one would undo",
                f"inv db.rollback --to={heads[0] if heads else 'base'} --dry-run",
            ),
        )


def refuse_other_than_head(
    project: Project, current: Sequence[str], database: str, command: str = "inv db.upgrade"
) -> None:
    """Refuse a database that is not at the head of this code.

    Args:
        project: the revisions of this code.
        current: the current revisions of the database.
        database: the URL of the database, redacted.
        command: the command that the error suggests. It upgrades the database; it can also start the application.

    Raises:
        SchemaBehind: revisions are pending.
        SchemaAhead: the database is at a revision that this code does not have.
        MultipleHeads: this code has several heads.
    """
    history = project.history
    head = history.head  # This raises if there are several heads.
    if unknown := history.unknown(current):
        elsewhere = project.describe_location(unknown[0])
        raise SchemaAhead(unknown[0], database, history.heads, len(history), project.folder, elsewhere)
    if pending := history.pending(current):
        raise SchemaBehind(database, current, pending, head, command)


class RightsMissing(AppError, code="app.E105"):
    """The application's role lacks a right on the database.

    Why: a table was created by a role other than the role that migrates, or the application's role is new.

    To do: run `inv db.grant` as the role that migrates. `inv db.status` lists the missing rights.
    """

    status: int = 503

    def __init__(self, database: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            "the application's role may not read the database",
            Hint("Grant the rights", "inv db.grant"),
            _STATUS,
            details={"database": database, "reason": reason},
        )


class NotInstalled(AppError, code="app.E106", exit_code=EXIT_USAGE):
    """This Python is too old or lacks a package, or the system is neither Linux nor macOS.

    Why: the program was started with the Python of the system, and not with the Python of the virtual environment. Or
    the program was started on Windows.

    To do: run `make install` in a checkout, and start the program with `.venv/bin/python`. On Windows, start the
    program in the Windows Subsystem for Linux.
    """

    def __init__(self, fact: str, script: str) -> None:
        super().__init__(
            fact,
            Hint("Install what is needed", "make install"),
            Hint("Then start it with that", f".venv/bin/python {script}"),
        )
