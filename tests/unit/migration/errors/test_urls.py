from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy.engine import URL, make_url

from antarest.migration.errors.facts.configuration import ConfigError, UnreadableUrl, UnsupportedUrl
from antarest.migration.errors.settings.urls import (
    ENGINES,
    database_name,
    is_memory,
    normalise_url,
    redact,
    redact_url,
    server_name,
)

PASSWORDS = [
    "geheim",
    "p@ss/w:rd",
    "100%",
    "%40",
    "a b+c",
    "a b/c",
    "?x=y&z",
    "#frag[ment]",
    "ünï",
    "'quo\"te",
    "back\\slash",
    "$x",
]


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgres+psycopg2", "PostgreSQL", "POSTGRES"]
)
def test_every_name_of_postgresql_means_psycopg2(scheme: str) -> None:
    url = normalise_url(f"{scheme}://u:p@db1:5433/antarest?sslmode=require")

    assert url == URL.create("postgresql+psycopg2", "u", "p", "db1", 5433, "antarest", query={"sslmode": "require"})


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "SQLite"])
def test_every_name_of_sqlite_means_sqlite(scheme: str) -> None:
    assert normalise_url(f"{scheme}:////srv/a.db") == URL.create("sqlite", database="/srv/a.db")


def test_a_normalised_url_stays_as_it_is() -> None:
    for text in ("postgresql://u:p%40@h/d?password=x&host=a&host=b", "sqlite:////srv/a b%25.db", "sqlite://"):
        url = normalise_url(text)
        assert normalise_url(url) == url
        assert normalise_url(url.render_as_string(hide_password=False)) == url


@pytest.mark.parametrize(
    "text",
    [
        "mysql://u:geheim@h/d",
        "mysql+pymysql://u:geheim@h/d",
        "oracle://u:geheim@h/d",
        "postgresql+psycopg://u:geheim@h/d",
        "postgresql+asyncpg://u:geheim@h/d",
        "sqlite+aiosqlite:///a.db",
        "sqlite+pysqlcipher://:geheim@/a.db",
    ],
)
def test_another_engine_or_driver_is_refused_with_what_is_supported(text: str) -> None:
    with pytest.raises(UnsupportedUrl) as caught:
        normalise_url(text)

    assert caught.value.scheme == text.partition(":")[0]
    assert caught.value.scheme in caught.value.message
    assert caught.value.details == {"supported": "PostgreSQL through psycopg2, SQLite"}
    assert "geheim" not in str(caught.value.to_dict())
    without = [hint.command for hint in caught.value.hints if hint.command.endswith("://...")]
    engine = text.partition("+")[0]
    assert without == ([f"url: {engine}://..."] if engine in ENGINES and "cipher" not in text else [])


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "host=db1 user=u password=geheim",
        "://geheim",
        "postgresql:/u:geheim@h/d",
        "postgresql://u:geheim@h:port/d",
        "postgresql://u:geheim@h:99999/d",
        "postgresql://u:geheim@h:0/d",
        "postgresql://user:geheim",
        "postgresql://u:p@geheim@h/d",
        "postgresql://u:p@geheim/w@h/d",
        "postgresql://u:p@geheim?w@h/d",
        "postgresql://h/d?user=u@v&password=x@geheim",
        "postgresql://u:geh?eim@h/d",
        "postgresql://h:5432/d?password=p@geheim",
        "postgresql://u:geheim@h",
        "postgresql://u:geheim@h/",
        "postgresql://u@h/?password=geheim",
        "postgresql://u:geheim\0@h/d",
        "postgresql://u:geheim%00@h/d",
        "postgresql://u:geheim@h/d?sslmode=%00",
    ],
)
def test_a_url_that_cannot_be_understood_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(UnreadableUrl) as caught:
        normalise_url(text)

    assert caught.value.code == "config.E110"
    assert "geheim" not in str(caught.value) + repr(caught.value) + str(caught.value.to_dict())
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "SQLAlchemy's error would show the text in a traceback"


def test_a_slash_in_a_password_is_understood_without_quotes() -> None:
    assert normalise_url("postgresql://u:a/b:c#d%@h/d").password == "a/b:c#d%"


def test_a_url_without_database_is_refused_but_a_service_names_one() -> None:
    with pytest.raises(UnreadableUrl, match="names no database"):
        normalise_url("postgresql://u:p@h")

    assert normalise_url("postgresql:///?service=antarest").query == {"service": "antarest"}
    assert normalise_url("postgresql://h?dbname=antarest").database == "antarest"


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///file:a.db?uri=true",
        "sqlite:///file:a.db",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///a.db?mode=ro",
        "sqlite://antarest.db",
        "sqlite://u:p@h/a.db",
    ],
)
def test_sqlite_takes_no_host_and_no_parameters(text: str) -> None:
    with pytest.raises(UnreadableUrl):
        normalise_url(text)


def test_a_relative_sqlite_path_is_relative_to_the_folder(tmp_path: Path) -> None:
    def path(text: str) -> str | None:
        return normalise_url(text, folder=tmp_path / "conf").database

    assert path("sqlite:///a.db") == str(tmp_path / "conf" / "a.db")
    assert path("sqlite:///../data/a.db") == str(tmp_path / "data" / "a.db")
    assert path("sqlite:////srv/a.db") == "/srv/a.db"
    assert normalise_url("sqlite:///a.db").database == "a.db"


def test_a_tilde_in_a_sqlite_path_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert normalise_url("sqlite:///~/a.db", folder=tmp_path).database == "/home/ada/a.db"


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_sqlite_database_in_memory_is_recognised(text: str, tmp_path: Path) -> None:
    url = normalise_url(text, folder=tmp_path)

    assert is_memory(url)
    assert is_memory(make_url(text))
    assert redact_url(url) == "sqlite:///:memory:"
    assert database_name(url) == ":memory:"


def test_a_file_and_a_server_are_not_in_memory() -> None:
    assert not is_memory(normalise_url("sqlite:////srv/:memory:"))
    assert not is_memory(normalise_url("postgresql://h/memory"))
    assert is_memory(make_url("sqlite:///file:x?mode=memory&uri=true"))


def test_user_password_and_database_among_the_parameters_move_to_their_place() -> None:
    url = normalise_url("postgresql://a:b@h/c?user=u&password=geheim&dbname=d&sslmode=require")

    assert (url.username, url.password, url.database) == ("u", "geheim", "d")
    assert url.query == {"sslmode": "require"}
    assert "geheim" not in repr(url)


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_masked_wherever_it_stands(password: str) -> None:
    in_place = URL.create("postgresql+psycopg2", "ada", password, "db1", 5432, "antarest")
    in_query = URL.create("postgresql", "ada", None, "db1", 5432, "antarest", query={"password": password})
    certificate = in_place.update_query_dict({"sslpassword": f"{password}2", "sslmode": "require"})

    assert redact_url(in_place) == "postgresql://ada:***@db1:5432/antarest"
    assert redact_url(in_place.render_as_string(hide_password=False)) == redact_url(in_place)
    assert redact_url(in_query) == "postgresql://ada@db1:5432/antarest?password=***"
    assert redact_url(certificate) == "postgresql://ada:***@db1:5432/antarest?sslmode=require&sslpassword=***"


@pytest.mark.parametrize(
    "parameter",
    [
        *(f"{key}=geheim" for key in ("passwd", "PASSWORD", "pwd", "sslpassword", "sslPassword", "service")),
        *("passfile=/geheim", "options=-c%20app.key%3Dgeheim", "dbname=x%20Password%20%3D%20%27geheim%27"),
    ],
)
def test_a_parameter_whose_value_may_be_a_secret_is_masked(parameter: str) -> None:
    url = f"postgresql://u@h/d?sslmode=require&{parameter}"

    assert "sslmode=require" in redact_url(url)
    assert "***" in redact_url(url)
    assert "geheim" not in redact_url(url) + redact(f"cannot use {url}, or another one") + redact(f"{url}", url)


def test_a_secret_in_a_user_name_is_masked() -> None:
    """`?user=` may hold a connection string by mistake."""
    url = make_url("postgresql://u%20password%3Dgeheim@h/d")

    assert redact_url(url) == "postgresql://u password%3D***@h/d"
    assert redact('role "u password=geheim", geheim', url) == 'role "u password=***", ***'


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u@h/?dbname=d password=geheim",
        "postgresql://h/d?user=u%20password%3Dgeheim",
        "postgresql://u password=geheim@h/d",
    ],
)
def test_a_connection_string_is_no_name_of_a_database_or_a_user(text: str) -> None:
    with pytest.raises(UnreadableUrl, match="connection string") as refused:
        normalise_url(text)

    assert "geheim" not in str(refused.value.to_dict())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dsn: 'user=u password=geheim dbname=d'", "dsn: 'user=u password=*** dbname=d'"),
        ("PASSWD = 'ge\\'heim heim' host=h", "PASSWD = *** host=h"),
        ("ALTER ROLE u PASSWORD 'ge''heim' LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("ALTER ROLE u PASSWORD E'ge\\'heim' LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("ALTER ROLE u PASSWORD U&'geheim' LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("ALTER ROLE u PASSWORD $$geheim$$ LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("ALTER ROLE u PASSWORD $a$ge$$heim$a$ LOGIN", "ALTER ROLE u PASSWORD *** LOGIN"),
        ("EXECUTE 'ALTER ROLE u PASSWORD ''geheim'' LOGIN'", "EXECUTE 'ALTER ROLE u PASSWORD *** LOGIN'"),
        ("EXECUTE 'ALTER ROLE u PASSWORD ''geheim'''", "EXECUTE 'ALTER ROLE u PASSWORD ***'"),
        ("PASSWORD '' LOGIN; x = 'y'", "PASSWORD *** LOGIN; x = 'y'"),
        ("PGPASSWORD=geheim pg_dump", "PGPASSWORD=*** pg_dump"),
        ("postgres://u:geheim@h/d?pwd=geheim&sslmode=x", "postgres://u:***@h/d?pwd=***&sslmode=x"),
        ('definition of service "geheim" not found', 'definition of service "***" not found'),
        (
            "password authentication failed, no password supplied",
            "password authentication failed, no password supplied",
        ),
    ],
)
def test_a_secret_is_masked_where_it_is_written_and_nobody_knows_it(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_secret_in_no_known_place_is_masked_only_if_libpq_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    assert redact("cannot use geheim", "postgresql://u:other@h/d") == "cannot use geheim"
    monkeypatch.setenv("PGPASSWORD", "geheim")
    assert redact("cannot use geheim", "postgresql://u@h/d") == "cannot use ***"
    assert redact("the role geheim") == "the role geheim"  # Nobody quotes a foreign text here.


def test_a_short_password_changes_no_word_around_it() -> None:
    url = "postgresql://up:up@h/d"

    assert redact("upper_group: closed up, 'up' (postgresql://up:up@h/d)", url).startswith(
        "upper_group: closed ***, '***'"
    )
    assert redact("unexpectedly: x", "postgresql://u:x@h/d") == "unexpectedly: ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:geheim@h:port/d", "postgresql://***@h:port/d"),
        ("postgresql://u:p@geheim@h/d?password=geheim", "postgresql://***@h/d"),
        ("postgresql://user:geheim", "postgresql://***"),
        ("postgresql://h:x/d?password=x@geheim", "postgresql://***"),
        ("postgresql://h:5432/d?password=x@geheim", "postgresql://***"),
        ("password=geheim", "***"),
        ("geheim geheim://x", "***"),
        ("", "***"),
    ],
)
def test_of_a_text_that_cannot_be_parsed_nothing_is_shown_that_could_be_a_password(text: str, shown: str) -> None:
    assert redact_url(text) == shown


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_message_of_a_driver_loses_the_password_in_every_spelling(password: str) -> None:
    url = URL.create("postgresql+psycopg2", "ada", password, "db1", 5432, "antarest")
    shown = url.render_as_string(hide_password=False)
    spellings = [password, quote(password, safe=""), quote_plus(password), repr(password)[1:-1]]

    cleaned = redact(f"cannot use {shown}: {', '.join(spellings)}", url)

    assert cleaned == "cannot use postgresql+psycopg2://ada:***@db1:5432/antarest: ***, ***, ***, ***"
    assert cleaned == redact(f"cannot use {shown}: {', '.join(spellings)}", shown)


def test_redaction_masks_each_url_and_leaves_the_rest() -> None:
    one, other = "postgresql://u:erstes@h/d", "postgresql://u@h/d?password=zweites"

    assert redact("erstes und zweites und drittes", one, other) == "*** und *** und drittes"
    assert redact("nothing to hide", "sqlite:////a.db", "postgresql://u@h/d") == "nothing to hide"
    assert redact("bad postgresql://u:a@b@h/d here", "postgresql://u:a@b@h/d") == "bad postgresql://***@h/d here"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("postgresql://db1/d", "db1:5432"),
        ("postgresql://db1:5433/d", "db1:5433"),
        ("postgresql://[::1]:5433/d", "[::1]:5433"),
        ("postgresql:///d", "the default host"),
        ("postgresql:///d?host=/run/postgresql", "the socket in /run/postgresql"),
        ("postgresql:///d?host=db1&port=5433", "db1:5433"),
        ("postgresql:///d?host=db1:1&host=db2", "db1:1,db2:5432"),
        ("postgresql://[::1],db2:2/d", "[::1]:5432,db2:2"),
    ],
)
def test_a_server_has_a_name_for_messages(text: str, server: str) -> None:
    url = normalise_url(text)

    assert server_name(url) == server
    assert database_name(url) == f"d on {server}"


def test_several_hosts_are_read_as_libpq_lists_them() -> None:
    listed = normalise_url("postgresql://u:p,%40@db1:1,db2,db3:3/d?sslmode=require")

    assert listed == normalise_url("postgresql://u:p,%40@/d?host=db1:1&host=db2&host=db3:3&sslmode=require")
    assert normalise_url(listed.render_as_string(hide_password=False)) == listed
    in_brackets = normalise_url("postgresql://[::1]:1,db2/d").get_dialect()()
    connected = in_brackets.create_connect_args(normalise_url("postgresql://[::1]:1,db2/d"))[1]
    assert (connected["host"], connected["port"]) == ("::1,db2", "1,")


def test_the_errors_about_urls_are_configuration_errors() -> None:
    assert issubclass(UnsupportedUrl, ConfigError)
    assert issubclass(UnreadableUrl, ConfigError)
