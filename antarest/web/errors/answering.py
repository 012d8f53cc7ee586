"""Codes `app.E4xx` and `app.E5xx`: what is answered over HTTP, with a status.

The text is written for whoever asks, and holds nothing that is only for the operator, such as the URL of the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antarest.migration.errors.base import Hint
from antarest.migration.errors.text import count, shorten
from antarest.web.errors.launching import AppError

_STATUS = Hint("See where it is", "inv db.status")
_DOCS = Hint("See what can be asked", "GET /docs")
_MOST_DETAILS = 5


class RequestError(AppError):
    """A request that has no answer but this one."""

    code = "app.E400"
    status: int = 400

    def __init__(self, message: str, *, details: Mapping[str, str] | None = None, hints: Sequence[Hint] = ()) -> None:
        super().__init__(message, details=details, hints=hints or [_DOCS])


class NoSuchRoute(RequestError):
    """There is nothing at that address.

    Why: the address is misspelt, or belongs to another version.

    To do: `/docs` lists what can be asked.
    """

    code = "app.E404"
    status = 404

    def __init__(self) -> None:
        super().__init__("there is nothing at this address")


class StudyNotFound(RequestError):
    """No study has that id.

    Why: it was deleted, or the id is that of another database.

    To do: `/api/studies` lists those that there are.
    """

    code = "app.E410"
    status = 404

    def __init__(self, study_id: str) -> None:
        self.study_id = study_id
        super().__init__(f"there is no study {shown(study_id)}", hints=[Hint("List the studies", "GET /api/studies")])


class PageNotFound(RequestError):
    """The list has fewer pages.

    Why: studies were deleted since the list was counted, or the number was made up.

    To do: ask for page 1, which says how many there are.
    """

    code = "app.E411"
    status = 404

    def __init__(self, page: int, pages: int) -> None:
        self.page, self.pages = page, pages
        there = f"there {'is' if pages == 1 else 'are'} {count(pages, 'page') if pages else 'no pages'}"
        super().__init__(f"page {page} does not exist: {there}")


class MethodNotAllowed(RequestError):
    """The application only reads: it knows GET and HEAD.

    Why: POST, PUT, PATCH or DELETE was sent.

    To do: send GET. Nothing can be changed over HTTP.
    """

    code = "app.E405"
    status = 405

    def __init__(self) -> None:
        super().__init__("the application only reads: it knows GET and HEAD")


class InvalidRequest(RequestError):
    """A parameter is unknown, missing, or has a value that it cannot have.

    Why: a parameter is misspelt, or its value has the wrong type or is out of range.

    To do: the answer names each parameter with what it must be; `/docs` has them all.
    """

    code = "app.E422"
    status = 422

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        names = shorten([shown(name) for name in problems])
        few = dict(list(problems.items())[:_MOST_DETAILS])
        super().__init__(f"the request cannot be understood: {names}", details=few)


class RequestTooLong(RequestError):
    """The address of the request is longer than any that means something here.

    Why: a client puts data into the address, or loops while it builds it.

    To do: send a shorter one; no parameter needs more.
    """

    code = "app.E414"
    status = 414

    def __init__(self, limit: int) -> None:
        super().__init__(f"the address is too long: the first line of a request has at most {limit:,} bytes")


class HeadersTooLarge(RequestError):
    """The headers of the request are larger than any that mean something here.

    Why: cookies of other applications of the same host, most often.

    To do: delete the cookies, or serve the application under a name of its own.
    """

    code = "app.E431"
    status = 431

    def __init__(self, limit: int) -> None:
        super().__init__(f"the headers are too large: they have at most {limit:,} bytes together")


class MalformedRequest(RequestError):
    """What was sent is not HTTP.

    Why: something else than HTTP was sent to the port: HTTPS, a port scan, a cut connection.

    To do: use `http://`; TLS belongs to the proxy before it.
    """

    code = "app.E401"
    status = 400

    def __init__(self) -> None:
        super().__init__("this is not a request of HTTP/1.1")


class Failure(RequestError):
    """The application failed to answer, for a reason that nobody thought of.

    Why: a mistake in the application, or something outside of it that no check covers.

    To do: the log of the server has the traceback, at the same time; report it. The application is still up.
    """

    code = "app.E500"
    status = 500

    def __init__(self) -> None:
        super().__init__("the application failed to answer; its log says why")


class Stopping(RequestError):
    """The application stopped before it could answer.

    Why: the server was told to stop, and the request took longer than it waits.

    To do: ask again: another node, or this one when it is back.
    """

    code = "app.E503"
    status = 503

    def __init__(self) -> None:
        super().__init__("the application stops, and did not finish this request")


class DatabaseSilent(RequestError):
    """The database did not answer in time.

    Why: the database is overloaded, or locked by a migration, or the network drops packets.

    To do: ask again later; `inv db.status` says whether the database answers.
    """

    code = "app.E504"
    status = 503

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the database did not answer within {seconds:g} seconds", hints=[_STATUS])


def shown(text: str, longest: int = 60) -> str:
    """A text that somebody sent, short and on one line."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return cut if cut.isprintable() else ascii(cut)
