"""What can go wrong when the application is launched (`app.E1xx`) or asked over HTTP (`app.E4xx`, `app.E5xx`).

A failure of the second kind has an HTTP status; its text is written for whoever asks, and holds nothing that is only
for the operator, such as the URL of the database.
"""

from antarest.web.errors.answering import (
    DatabaseSilent,
    Failure,
    HeadersTooLarge,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NoSuchRoute,
    PageNotFound,
    RequestError,
    RequestTooLong,
    Stopping,
    StudyNotFound,
    shown,
)
from antarest.web.errors.launching import (
    AppError,
    HostNotOurs,
    NotInstalled,
    PortForbidden,
    PortTaken,
    RightsMissing,
    SchemaAhead,
    SchemaBehind,
)

__all__ = [
    "AppError",
    "DatabaseSilent",
    "Failure",
    "HeadersTooLarge",
    "HostNotOurs",
    "InvalidRequest",
    "MalformedRequest",
    "MethodNotAllowed",
    "NoSuchRoute",
    "NotInstalled",
    "PageNotFound",
    "PortForbidden",
    "PortTaken",
    "RequestError",
    "RequestTooLong",
    "RightsMissing",
    "SchemaAhead",
    "SchemaBehind",
    "Stopping",
    "StudyNotFound",
    "shown",
]
