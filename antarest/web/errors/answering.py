"""Codes `app.E4xx` and `app.E5xx`: the errors of HTTP requests, each with its HTTP status.

The texts are for clients. So they contain nothing that only the operator is allowed to see, such as the URL of the
database.
"""

from __future__ import annotations

from collections.abc import Mapping

from antarest.migration.errors.base import Hint
from antarest.migration.errors.text import count, shorten
from antarest.web.errors.launching import AppError

_STATUS = Hint("See where it is", "inv db.status")
_DOCS = Hint("See the requests that exist", "GET /docs")
_MOST_DETAILS = 5


class RequestError(AppError, code="app.E400"):
    """A request that was refused or failed."""

    status: int = 400

    def __init__(self, message: str, *hints: Hint, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message, *(hints or [_DOCS]), details=details)


class NoSuchRoute(RequestError, code="app.E404"):
    """The application has no page or route at that address.

    Why: the address is misspelt, or belongs to another version.

    To do: `/docs` lists the addresses.
    """

    status = 404

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class StudyNotFound(RequestError, code="app.E410"):
    """No study has that id.

    Why: the study was deleted, or it is in another database.

    To do: `/api/studies` lists the studies.
    """

    status = 404

    def __init__(self, study_id: str) -> None:
        self.study_id = study_id
        super().__init__(f"there is no study {shown(study_id)}", Hint("List the studies", "GET /api/studies"))


class PageNotFound(RequestError, code="app.E411"):
    """The list does not have a page with that number.

    Why: studies were deleted since the list was counted, or the number is wrong.

    To do: ask for page 1. The answer contains the number of pages.
    """

    status = 404

    def __init__(self, page: int, pages: int) -> None:
        self.page, self.pages = page, pages
        there = f"there {'is' if pages == 1 else 'are'} {count(pages, 'page') if pages else 'no pages'}"
        super().__init__(f"page {page} does not exist: {there}")


class MethodNotAllowed(RequestError, code="app.E405"):
    """The application only reads, so it accepts GET and HEAD only.

    Why: POST, PUT, PATCH or DELETE was sent.

    To do: send GET. Requests cannot change anything.
    """

    status = 405

    def __init__(self) -> None:
        super().__init__("the application only reads: it accepts GET and HEAD")


class InvalidRequest(RequestError, code="app.E422"):
    """A parameter is unknown or missing, or its value is not allowed.

    Why: a parameter is misspelt, or its value has the wrong type or is out of range.

    To do: the answer names each wrong parameter and the allowed values. `/docs` lists all parameters.
    """

    status = 422

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        names = shorten([shown(name) for name in problems])
        few = dict(list(problems.items())[:_MOST_DETAILS])
        super().__init__(f"the request has wrong parameters: {names}", details=few)


class RequestTooLong(RequestError, code="app.E414"):
    """The address of the request is too long.

    Why: the client puts data into the address, or has a loop that makes the address longer with each request.

    To do: send a shorter address. No parameter needs such a long address.
    """

    status = 414

    def __init__(self, limit: int) -> None:
        super().__init__(f"the address is too long: the first line of a request has at most {limit:,} bytes")


class HeadersTooLarge(RequestError, code="app.E431"):
    """The headers of the request are too large.

    Why: most often, the headers contain cookies of other applications on the same host.

    To do: delete the cookies, or serve the application under its own host name.
    """

    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"the headers are too large: they have at most {limit:,} bytes together")


class MalformedRequest(RequestError, code="app.E401"):
    """The data that the client sent is not an HTTP request.

    Why: the client uses HTTPS, scans ports, or lost its connection.

    To do: use `http://`. For TLS, put a proxy before the application.
    """

    status = 400

    def __init__(self) -> None:
        super().__init__("this is not an HTTP/1.1 request")


class Failure(RequestError, code="app.E500"):
    """The application failed with an unexpected error.

    Why: a mistake in the application, or a failure outside of the application that no check covers.

    To do: find the traceback in the log of the server, and report it. The application is still running.
    """

    status = 500

    def __init__(self) -> None:
        super().__init__("the application failed to answer; its log has the reason")


class Stopping(RequestError, code="app.E503"):
    """The application stopped before it could answer.

    Why: the server was told to stop, and the request took longer than the server waits.

    To do: send the request to another node, or wait until this node runs again.
    """

    status = 503

    def __init__(self) -> None:
        super().__init__("the application is stopping, and did not finish this request")


class DatabaseSilent(RequestError, code="app.E504"):
    """The database did not answer in time.

    Why: the database is overloaded or locked by a migration, or the network drops packets.

    To do: try again later. `inv db.status` shows whether the database answers.
    """

    status = 503

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the database did not answer within {seconds:g} seconds", _STATUS)


def shown(text: str, longest: int = 60) -> str:
    """Return a text that a client sent, on one line, and shortened if it is long."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut if cut.isprintable() else ascii(cut)
