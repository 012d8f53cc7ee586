"""What can go wrong when the application is launched (`app.E1xx`) or asked over HTTP (`app.E4xx`, `app.E5xx`).

A failure of the second kind has an HTTP status; its text is written for whoever asks, and holds nothing that is only
for the operator, such as the URL of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antarest.core.errors import EXIT_USAGE, AntarestError, Hint
from antarest.migration.errors import UnknownRevision
from antarest.migration.errors.base import plural, shorten

_STATUS = Hint("See where it is", "inv db.status")


class AppError(AntarestError):
    """The application cannot be launched, or cannot answer."""

    code = "app.E100"


# ---- launching


class PortTaken(AppError):
    """Another program listens on the port."""

    code = "app.E101"

    def __init__(self, host: str, port: int, *, holder: str, command: str) -> None:
        self.host, self.port, self.holder = host, port, holder
        super().__init__(
            f"port {port} of {host} is taken" + (f" by {holder}" if holder else ""),
            hints=[
                Hint("Take any free port", f"{command} --port=0"),
                Hint("Or name another one", f"{command} --port={port + 1 if port < _LAST_PORT else port - 1}"),
            ],
        )


class HostNotOurs(AppError):
    """The host to listen on is not one of this machine, or no such name is known."""

    code = "app.E102"
    exit_code = EXIT_USAGE

    def __init__(self, host: str, reason: str, *, command: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(
            f"this machine cannot listen on {host}: {reason}",
            hints=[
                Hint("For this machine alone", f"{command} --host=127.0.0.1"),
                Hint("For everybody who reaches it", f"{command} --host=0.0.0.0"),
            ],
        )


class PortForbidden(AppError):
    """The system does not let this user listen on the port."""

    code = "app.E103"
    exit_code = EXIT_USAGE

    def __init__(self, port: int, reason: str, *, command: str) -> None:
        self.port = port
        super().__init__(
            f"this user may not listen on port {port}: {reason}",
            hints=[Hint("Take a port above 1023", f"{command} --port=8080")],
        )


class SchemaBehind(AppError):
    """The database is older than the application, and nobody said that it should be upgraded."""

    code = "app.E104"
    status: int = 503

    def __init__(self, database: str, current: Sequence[str], pending: Sequence[str], head: str, command: str) -> None:
        self.current, self.pending, self.head = tuple(current), tuple(pending), head
        number = len(pending)
        super().__init__(
            f"the database is {'older than this application' if current else 'empty'}: "
            f"{number} revision{plural(number)} {'is' if number == 1 else 'are'} pending",
            details={
                "database": database,
                "current": ", ".join(current) or "base",
                "pending": shorten(pending),
                "head": head,
            },
            hints=[Hint("Upgrade it", "inv db.upgrade"), Hint("Or let this start do it", command)],
        )


class SchemaAhead(UnknownRevision):
    """The database was upgraded by a newer version of the application."""

    code = "db.E211"
    status: int = 503

    def __init__(self, revision: str, database: str, heads: Sequence[str], known: int, folder: str) -> None:
        super().__init__(revision, database, heads, known, folder)
        self.message = "this database was upgraded by a newer version of AntaREST"
        self.args = (self.message,)
        self.details = {"database": database, "current": revision, "this code": f"its head is {shorten(heads)}"}
        self.hints = (
            Hint("Start the version that upgraded it, or a newer one"),
            Hint("Or roll it back, with that version", f"inv db.rollback --to={heads[0] if heads else 'base'}"),
        )


class RightsMissing(AppError):
    """The application's role lacks a right on the database."""

    code = "app.E105"
    status: int = 503

    def __init__(self, database: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            "the application's role may not read the database",
            details={"database": database, "reason": reason},
            hints=[Hint("Give it its rights", "inv db.grant"), _STATUS],
        )


class NotInstalled(AppError):
    """This Python is too old, or lacks a package; `antarest.bootstrap` says so itself, with no class at hand."""

    code = "app.E106"
    exit_code = EXIT_USAGE

    def __init__(self, fact: str, script: str) -> None:
        super().__init__(
            fact,
            hints=[
                Hint("Install what is needed", "make install"),
                Hint("Then start it with that", f".venv/bin/python {script}"),
            ],
        )


# ---- answering


class RequestError(AppError):
    """A request that has no answer but this one."""

    code = "app.E400"
    status: int = 400

    def __init__(self, message: str, *, details: Mapping[str, str] | None = None, hints: Sequence[Hint] = ()) -> None:
        super().__init__(message, details=details, hints=hints or [_DOCS])


class NoSuchRoute(RequestError):
    """There is nothing at that address."""

    code = "app.E404"
    status = 404

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class StudyNotFound(RequestError):
    """No study has that id."""

    code = "app.E410"
    status = 404

    def __init__(self, study_id: str) -> None:
        self.study_id = study_id
        super().__init__(f"there is no study {shown(study_id)}", hints=[Hint("List the studies", "GET /api/studies")])


class PageNotFound(RequestError):
    """The list has fewer pages."""

    code = "app.E411"
    status = 404

    def __init__(self, page: int, pages: int) -> None:
        self.page, self.pages = page, pages
        there = f"there {'is' if pages == 1 else 'are'} {pages or 'no'} page{plural(pages)}"
        super().__init__(f"page {page} does not exist: {there}")


class MethodNotAllowed(RequestError):
    """The application only reads: it knows GET and HEAD."""

    code = "app.E405"
    status = 405

    def __init__(self) -> None:
        super().__init__("the application only reads: it knows GET and HEAD")


class InvalidRequest(RequestError):
    """A parameter is unknown, missing, or has a value that it cannot have."""

    code = "app.E422"
    status = 422

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        names = shorten([shown(name) for name in problems])
        few = dict(list(problems.items())[:_MOST_DETAILS])
        super().__init__(f"the request cannot be understood: {names}", details=few)


class RequestTooLong(RequestError):
    """The address of the request is longer than any that means something here."""

    code = "app.E414"
    status = 414

    def __init__(self, limit: int) -> None:
        super().__init__(f"the address is too long: the first line of a request has at most {limit:,} bytes")


class HeadersTooLarge(RequestError):
    """The headers of the request are larger than any that mean something here."""

    code = "app.E431"
    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"the headers are too large: they have at most {limit:,} bytes together")


class MalformedRequest(RequestError):
    """What was sent is not HTTP."""

    code = "app.E401"
    status = 400

    def __init__(self) -> None:
        super().__init__("this is not a request of HTTP/1.1")


class Failure(RequestError):
    """The application failed to answer, for a reason that nobody thought of."""

    code = "app.E500"
    status = 500

    def __init__(self) -> None:
        super().__init__("the application failed to answer; its log says why")


class Stopping(RequestError):
    """The application stopped before it could answer."""

    code = "app.E503"
    status = 503

    def __init__(self) -> None:
        super().__init__("the application stops, and did not finish this request")


class DatabaseSilent(RequestError):
    """The database did not answer in time."""

    code = "app.E504"
    status = 503

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the database did not answer within {seconds:g} seconds", hints=[_STATUS])


_DOCS = Hint("See what can be asked", "GET /docs")
_LAST_PORT = 65_535
_MOST_DETAILS = 5


def shown(text: str, longest: int = 60) -> str:
    """A text that somebody sent, short and on one line."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut if cut.isprintable() else ascii(cut)
