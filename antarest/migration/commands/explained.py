"""Explains unexpected errors that have a cause outside of this program.

Such a cause is, for example, a missing right, a refused statement or a missing file. Any other error is a bug.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..database.driver_errors import NO_RIGHT, connection_error, driver_error, is_connection_error, sqlstate
from ..errors.base import AntarestError, Hint
from ..errors.facts.database import RightMissing, StatementRefused
from ..errors.facts.run import AlembicRefused, SystemRefused, UnexpectedFailure
from ..errors.settings.urls import ENGINES, redact, redact_url
from ..errors.text import described, details_of, reason

_QUOTED = frozenset({"statement", "detail", "hint"})  # the texts of a revision or of the database
_OBJECT = re.compile(r"for (?P<kind>table|view|materialized view|sequence|schema) (?P<name>\S+)")
_RIGHTS = {"sequence": "USAGE ON SEQUENCE", "schema": "USAGE ON SCHEMA"}
_AS_OWNER = Hint("Name its owner in the configuration", "db.admin_url: postgresql://OWNER@HOST/DATABASE")


def explain(error: BaseException, url: URL | None = None, *others: URL) -> AntarestError:
    """Return an error of this package that explains `error` to a user.

    Args:
        error: an error of any kind.
        url: the URL of the database that the command works on; None if it is not known.
        others: other URLs whose passwords are masked.
    """
    urls = [url, *others] if url else [*others]
    if isinstance(error, AntarestError):
        return error
    if driver_error(error) is not None or isinstance(error, SQLAlchemyError):
        return _refused(error, url, urls)
    if isinstance(error, (OSError, UnicodeError)):
        return SystemRefused(redact(_of_the_system(error), *urls))
    if type(error).__module__ == "alembic.util.exc":
        return AlembicRefused(redact(reason(error), *urls))
    return UnexpectedFailure(redact(described(error), *urls))


def masked(known: AntarestError, *urls: URL) -> AntarestError:
    """Mask the passwords of these URLs in the texts that an error quotes, and return the error.

    A revision or the database wrote these texts, perhaps while the revision ran on a scratch database.
    """
    if quoted := getattr(known, "reason", ""):
        known.message = known.message.replace(quoted, redact(quoted, *urls))
    known.details.update({label: redact(known.details[label], *urls) for label in _QUOTED & known.details.keys()})
    return known


def _refused(error: BaseException, url: URL | None, urls: Sequence[URL]) -> AntarestError:
    raised = driver_error(error)
    if url and raised and is_connection_error(error):
        return connection_error(error, url)
    details = {key: redact(value, *urls) for key, value in details_of(error).items()}
    said, database = redact(reason(error), *urls), redact_url(url) if url else ""
    if sqlstate(error) == NO_RIGHT:
        role = f"the role {url.username}" if url and url.username else "this role"
        return RightMissing(f"{role} lacks a right: {said}", _grant(said, url), database=database, details=details)
    engine = ENGINES.get(url.get_backend_name(), "") if url else ""
    refused = f"{engine or 'the database'} refused a statement: {said}"
    if not isinstance(error, DBAPIError) and not raised:
        refused = f"a statement cannot be made: {said}"
    return StatementRefused(refused, database=database, details=details)


def _grant(said: str, url: URL | None) -> Hint:
    found = _OBJECT.search(said)
    if not found:
        return _AS_OWNER
    right = _RIGHTS.get(found["kind"], "SELECT ON")
    role = url.username if url and url.username else "ROLE"
    return Hint("To read it, let its owner grant the right", f"GRANT {right} {found['name']} TO {role};")


def _of_the_system(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"a text cannot be converted: {reason(error)}"
    if error.errno == errno.ENOENT and error.filename is None and not _has_folder():
        return "the current folder does not exist any more; go to another one"
    file = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or reason(error)}{file}"


def _has_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - what is asked is whether this fails
    except OSError:
        return False
    return True
