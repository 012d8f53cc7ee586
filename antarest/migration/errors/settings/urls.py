"""Database URLs: one spelling for each database, and a form that is safe to show.

SQLAlchemy and libpq accept several names for one driver, passwords in two places, SQLite paths that depend on the
working directory, and texts that can be read in two ways. This module converts every URL to one spelling, so the other
modules need not know these variants.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..base import Hint
from ..facts.configuration import UnreadableUrl, UnsupportedUrl

ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
"""The supported engines: a mapping from the name in SQLAlchemy to the name in messages."""

MEMORY = ":memory:"
_PORT = 5432
_GROUPS = ((1, "host"), (2, "port"))
_MASK = "***"

SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
"""The parameters of a URL that libpq treats as secrets."""

# The parameters whose values are shown. Other values can be secrets, such as that of a misspelt `passwd`.
_SHOWN = frozenset(
    [
        *("host", "hostaddr", "port", "user", "dbname", "connect_timeout", "client_encoding", "replication"),
        *("application_name", "fallback_application_name", "target_session_attrs", "load_balance_hosts"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslrootcert", "sslcrl"),
        *("sslcrldir", "sslsni", "sslcertmode", "ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("requirepeer", "require_auth", "channel_binding", "min_protocol_version", "max_protocol_version"),
        *("gssencmode", "krbsrvname", "gsslib", "gssdelegation"),
    ]
)
# The places of secrets in any text: a keyword of libpq in any spelling, also as SQL writes it, and a URL. SQL writes a
# text in quotes, in doubled quotes inside of another text, or between two tags such as $$.
_KEYWORD = re.compile(
    r"\b(\w*(?:password|passwd|passphrase)|pass|pwd|\w+_secret|scram_\w+_key)(\s*=\s*|\s+(?=(?:[en]|u&)?'|\$\w*\$))"
    r"(''[^']+''|(?:[en]|u&)?'(?:[^'\\]|\\.|'')*'|(?P<tag>\$\w*\$).*?(?P=tag)|[^\s'\",;&)\]}]+)",
    re.IGNORECASE | re.DOTALL,
)
_SERVICE = re.compile(r'(?<=\bservice ")[^"]+')  # in a message of libpq
_URL = re.compile(r"\b(postgres(?:ql)?(?:\+\w+)?://)([^\s'\"<>]*)", re.IGNORECASE)
_CONNECTION_STRING = re.compile(r"\b(?:pass\w*|pwd|user|host|port|dbname|service|ssl\w+|options)\s*=", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&])([^=&]+)=([^&]*)")
# A shorter secret is masked only where it stands alone: it may be a part of many words.
_LONG = 12

_QUOTE = Hint("In a name or password write @ as %40, : as %3A, / as %2F, ? as %3F, % as %25")
_VARIABLE = Hint("Or take it from the environment, where it needs no quoting", "${PASSWORD}")
_NAME = Hint("Add its name", "url: postgresql://USER:PASSWORD@HOST:5432/DATABASE")
_SLASHES = Hint("Relative paths have three slashes, absolute ones four", "url: sqlite:////srv/antarest/antarest.db")


def normalise_url(url: URL | str, *, folder: Path | None = None) -> URL:
    """Return a database URL in the one spelling that the rest of the project uses.

    The driver for PostgreSQL is always psycopg2. A user or password among the parameters is moved to the place before
    the host, where SQLAlchemy masks passwords. The path of an SQLite file is absolute.

    Args:
        url: the URL as the user wrote it.
        folder: the base of a relative SQLite path. With None, a relative path stays relative.

    Raises:
        UnsupportedUrl: the engine or the driver is not supported.
        UnreadableUrl: the URL cannot be parsed, or can be read in two ways.
    """
    parsed = url if isinstance(url, URL) else _parse(url)
    backend, _, driver = parsed.drivername.lower().partition("+")
    if backend in {"postgresql", "postgres"} and driver in {"", "psycopg2"}:
        return _normalise_postgresql(parsed)
    if backend == "sqlite" and driver in {"", "pysqlite"}:
        return _normalise_sqlite(parsed, folder)
    raise UnsupportedUrl(parsed.drivername)


def is_memory(url: URL) -> bool:
    """Return whether the URL names an SQLite database in memory, which is lost when the connection closes."""
    name = url.database or MEMORY
    return url.get_backend_name() == "sqlite" and (
        name == MEMORY or name.startswith(f"file:{MEMORY}") or url.query.get("mode") == "memory"
    )


def redact_url(url: URL | str) -> str:
    """Return the URL with its secrets masked, including secrets among the parameters.

    If the text cannot be parsed, every part that could belong to a password is masked.
    """
    if isinstance(url, str):
        parsed = _try_parse(url)
        if parsed is None:
            return _redact_unreadable(url)
        url = parsed
    if is_memory(url):
        return f"sqlite:///{MEMORY}"
    query = {key: value if _is_shown(key, value) else _MASK for key, value in url.query.items()}
    user, database = (_KEYWORD.sub(_masked, part or "") or None for part in (url.username, url.database))
    shown = url.set(drivername=url.drivername.partition("+")[0], query=query, username=user, database=database)
    return shown.render_as_string(hide_password=True).replace(quote_plus(_MASK), _MASK)


def redact(text: str, *urls: URL | str) -> str:
    """Return the text without secrets.

    Args:
        text: any text.
        urls: the URLs whose passwords are masked everywhere in the text, even if they are quoted or escaped. With a
            URL, the same holds for the variable PGPASSWORD of libpq. Other secrets are masked only in a URL and after a
            keyword such as `password=`.
    """
    for url in urls:
        parsed = _try_parse(url) if isinstance(url, str) else url
        if parsed is None:
            text = text.replace(str(url), redact_url(url))
            continue
        text = _without(_secrets(parsed), text)
    if urls:
        text = _without([os.environ.get("PGPASSWORD", "")], text)
    return _SERVICE.sub(_MASK, _KEYWORD.sub(_masked, _URL.sub(_masked_url, text)))


def _without(secrets: Iterable[str], text: str) -> str:
    """Return the text with these secrets masked, in each form in which somebody may write them."""
    forms = {form for secret in secrets if secret for form in _written_forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MASK) if len(form) >= _LONG else _alone(form).sub(_MASK, text)
    return text


def server_name(url: URL) -> str:
    """Return each host and port, or the socket, of a PostgreSQL URL, for messages."""
    names = []
    for host, port in servers(url):
        shown = f"[{host}]" if ":" in host else host
        names.append(f"the socket in {host}" if host.startswith("/") else f"{shown}:{port or _PORT}")
    return ",".join(names) or "the default host"


def servers(url: URL) -> list[tuple[str, str]]:
    """Return the hosts of a PostgreSQL URL, each with its port. The port is empty if the URL does not give it."""
    named, ports = _listed(url.query.get("host")), _listed(url.query.get("port"))
    if url.host or not named:
        return [(url.host, str(url.port or ",".join(ports)))] if url.host else []
    found = [each.rpartition(":") if re.fullmatch(r"[^:]+:\d+", each) else (each, "", "") for each in named]
    own = [*ports, *[""] * len(named)]
    return [(host, port or own[number]) for number, (host, _, port) in enumerate(found)]


def database_name(url: URL) -> str:
    """Return the name of a database for messages: the path of an SQLite file, or the name with the server."""
    if url.get_backend_name() == "sqlite":
        return MEMORY if is_memory(url) else str(url.database)
    return f"{url.database or 'the database of a service'} on {server_name(url)}"


def _normalise_postgresql(url: URL) -> URL:
    # In psycopg2 these parameters override the same part of the URL.
    user, password, name = (_last(url.query.get(key)) for key in ("user", "password", "dbname"))
    url = url.set(drivername="postgresql+psycopg2", username=user, password=password, database=name)
    url = url.difference_update_query(["user", "password", "dbname"])
    if url.port is not None and not 0 < url.port < 65536:  # noqa: PLR2004 - the number of ports
        raise UnreadableUrl(redact_url(url), reason="the port is out of range")
    if not url.database and "service" not in url.query:
        raise UnreadableUrl(redact_url(url), _NAME, reason="it names no database")
    for part, name in (("database", url.database), ("user", url.username)):
        if _CONNECTION_STRING.search(name or ""):
            raise UnreadableUrl(redact_url(url), _NAME, reason=f"its {part} is a connection string of libpq")
    if "\0" in unquote(url.render_as_string(hide_password=False)):
        raise UnreadableUrl(redact_url(url), reason="it contains a NUL character")
    return url


def _normalise_sqlite(url: URL, folder: Path | None) -> URL:
    if url.host or url.username or url.password or url.port:
        # Otherwise `sqlite://antarest.db` would quietly be a database in memory.
        raise UnreadableUrl("sqlite://...", _SLASHES, reason="an SQLite URL has no host")
    if url.query or (url.database or "").startswith("file:"):
        reason = "an SQLite URL takes no parameters, and no file: URI"
        raise UnreadableUrl(f"sqlite:///{url.database or ''}", _SLASHES, reason=reason)
    if is_memory(url):
        return URL.create("sqlite", database=MEMORY)
    path = Path(str(url.database)).expanduser()
    # Not resolve(), which would follow links: the file keeps the user's name.
    return URL.create("sqlite", database=os.path.abspath(folder / path) if folder else str(path))  # noqa: PTH100


def _parse(text: str) -> URL:
    parsed = _try_parse(text)
    if parsed is None:
        raise UnreadableUrl(_redact_unreadable(text), _QUOTE, _VARIABLE, reason=_why_unreadable(text))
    return parsed


def _try_parse(text: str) -> URL | None:
    try:
        parsed = make_url(_with_named_hosts(text.strip()))
    except (ArgumentError, ValueError):
        return None
    return None if _is_ambiguous(text, parsed) else parsed


def _with_named_hosts(text: str) -> str:
    """Return a URL with its hosts as parameters, because SQLAlchemy cannot read `host1,host2` in the usual place."""
    scheme, separator, rest = text.partition("://")
    place, _, query = rest.partition("?")
    user, at, place = place.rpartition("@")
    listed, _, database = place.partition("/")
    if "," not in listed or not scheme.lower().startswith("postgres"):
        return text
    parameters = [f"host={quote(each, safe=':')}" for each in listed.split(",")]
    if "[" in listed:  # SQLAlchemy takes no port of an IPv6 address here.
        hosts = [re.fullmatch(r"\[?(.*?)\]?(?::(\d*))?", each) for each in listed.split(",")]
        parameters = [f"{name}={','.join((each and each[group]) or '' for each in hosts)}" for group, name in _GROUPS]
    return f"{scheme}{separator}{user}{at}/{database}?{'&'.join([*parameters, *filter(None, [query])])}"


def _is_ambiguous(text: str, parsed: URL) -> bool:
    """Return whether a part of an unquoted password may have been parsed as the host, the database or a parameter."""
    before, at, after = text.partition("@")
    return bool(at) and not parsed.drivername.lower().startswith("sqlite") and ("?" in before or "@" in after)


def _why_unreadable(text: str) -> str:
    if "://" not in text:
        return "it is not of the form postgresql://... or sqlite:///..."
    if "@" in text:
        return "an @ or ? is not quoted, or the port is not a number"
    return "a part of it, such as the port, cannot be read"


def _redact_unreadable(text: str) -> str:
    scheme, separator, rest = text.strip().partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z0-9+.-]{1,32}", scheme):
        return _MASK
    before, at, after = rest.rpartition("@")
    if not at or "?" in before:
        return f"{scheme}://{_MASK}"
    return f"{scheme}://{_MASK}@{_KEYWORD.sub(_masked, after.partition('?')[0])}"


def _is_shown(key: str, value: str | tuple[str, ...]) -> bool:
    """Return whether a parameter of a URL can be shown: its name is not that of a secret, and it contains no secret."""
    return key in _SHOWN and not _KEYWORD.search(" ".join(value) if isinstance(value, tuple) else value)


def _masked(found: re.Match[str]) -> str:
    """Return a keyword with its value masked."""
    return f"{found[1]}{found[2]}{_MASK}"


def _masked_url(found: re.Match[str]) -> str:
    """Return a URL that was found in a text, after masking its password and all parameters that could be secrets."""
    before, at, after = found[2].rpartition("@")
    user, colon, _ = before.partition(":")
    shown = f"{user}:{_MASK}" if colon and "?" not in before else _MASK if "?" in before else user
    rest = _PARAMETER.sub(
        lambda each: each[0] if _is_shown(each[2], unquote_plus(each[3])) else f"{each[1]}{each[2]}={_MASK}", after
    )
    return f"{found[1]}{shown}{at}{rest}"


def _alone(secret: str) -> re.Pattern[str]:
    """Return a pattern that finds a secret, but not as a part of a longer word."""
    start, end = (r"\b" if re.match(r"\w", each) else "" for each in (secret[0], secret[-1]))
    return re.compile(f"{start}{re.escape(secret)}{end}")


def _secrets(url: URL) -> list[str]:
    places = f"{url.username} {url.database} {url.query.get('options')}"
    keywords = [found[3].strip("'") for found in _KEYWORD.finditer(places)]
    values = [url.password, *keywords, *(value for key, value in url.query.items() if _KEYWORD.match(f"{key}=x"))]
    return [text for value in values if value for text in ([value] if isinstance(value, str) else value) if text]


def _written_forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote(secret, safe=" +"), quote_plus(secret), repr(secret)[1:-1]}


def _listed(value: str | tuple[str, ...] | None) -> list[str]:
    """Return the values of a parameter of a URL. A parameter can occur several times, and its value can be a list."""
    values = (value,) if isinstance(value, str) else value or ()
    return [each for listed in values for each in listed.split(",")]


def _last(value: str | tuple[str, ...] | None) -> str | None:
    return value[-1] if isinstance(value, tuple) else value
