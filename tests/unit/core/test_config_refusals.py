from __future__ import annotations

import pytest

from antarest.migration.errors.base import EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.errors.facts.configuration import (
    ConfigEmpty,
    ConfigError,
    ConfigNotMapping,
    ConfigNotYaml,
    DatabaseUrlMissing,
    InvalidValue,
    UnknownKey,
    UnreadableUrl,
    UnsupportedUrl,
    VariableUnset,
)
from antarest.migration.errors.settings.urls import normalise_url
from tests.support.projects.config import POSTGRESQL, Write, load


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n", "---\n", "~\n"])
def test_an_empty_file_is_refused(write: Write, text: str) -> None:
    file = write(text)

    with pytest.raises(ConfigEmpty) as caught:
        load(file)

    assert caught.value.code == "config.E102"
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("db:\n  url: [sqlite\nserver:\n", 3),
        ("db:\n\turl: sqlite:////a.db\n", 2),
        ("db:\n  url:sqlite:////a.db\n  pool_size: 5\n", 3),
        ("db: {url: a}\n---\ndb: {url: b}\n", 2),
        ("db:\n  url: *geheim\n", 2),
        ("db:\n  url: %geheim\n", 2),
        ("db:\n  url: a\n  pool_size: 1\n  url: b\n", 4),
        ("db:\n  ? [a]\n  : b\n", 2),
        ("db:\n  url: \x00\n", None),
    ],
)
def test_a_file_that_is_not_yaml_is_refused_with_its_line(write: Write, text: str, line: int | None) -> None:
    file = write(text)

    with pytest.raises(ConfigNotYaml) as caught:
        load(file)

    assert caught.value.code == "config.E103"
    assert caught.value.line == line
    assert caught.value.details["file"] == (f"{file}, line {line}" if line else str(file))
    assert "geheim" not in str(caught.value.to_dict())
    assert caught.value.__context__ is None, "PyYAML's error would quote the file in a traceback"


@pytest.mark.parametrize("data", [b"db:\n  url: \xff\xfe\n", b"\x80\x81", b"[" * 5000])
def test_a_file_that_is_not_even_text_is_refused(write: Write, data: bytes) -> None:
    file = write("")
    file.write_bytes(data)

    with pytest.raises(ConfigNotYaml):
        load(file)


def test_a_byte_order_mark_and_windows_lines_are_read(write: Write) -> None:
    file = write("")
    file.write_bytes(b"\xef\xbb\xbfdb:\r\n  url: sqlite:////a.db\r\n")

    assert load(file).db.url.database == "/a.db"


@pytest.mark.parametrize(
    ("text", "section", "found"),
    [
        ("- db\n", "", "a list"),
        ("just text\n", "", "one value"),
        ("db: [1]\n", "db", "a list"),
        (f"db: {POSTGRESQL}\n", "db", "one value"),
        ("db: {url: sqlite:////a.db}\nserver: 8080\n", "server", "one value"),
    ],
)
def test_something_else_than_keys_with_values_is_refused(write: Write, text: str, section: str, found: str) -> None:
    with pytest.raises(ConfigNotMapping) as caught:
        load(write(text))

    assert caught.value.code == "config.E104"
    assert (caught.value.section, caught.value.found) == (section, found)
    assert "geheim" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    "text", ["environment: test\n", "db:\n", "db: {}\n", "db:\n  url:\n", "db:\n  url: ''\n", "db:\n  url: ${EMPTY}\n"]
)
def test_a_file_that_names_no_database_is_refused(write: Write, text: str) -> None:
    file = write(text)

    with pytest.raises(DatabaseUrlMissing) as caught:
        load(file, EMPTY="")

    assert caught.value.code == "config.E105"
    assert caught.value.message == "db.url: no database is named"
    assert caught.value.details == {"file": str(file)}


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("db: {urll: x}", "db.urll", "db.url"),
        ("db: {url: 'sqlite:////a.db', admin-url: x}", "db.admin-url", "db.admin_url"),
        ("db: {url: 'sqlite:////a.db', poolsize: 5}", "db.poolsize", "db.pool_size"),
        ("db: {url: 'sqlite:////a.db'}\nserver: {hots: x}", "server.hots", "server.host"),
        ("db: {url: 'sqlite:////a.db', port: 1}", "db.port", "server.port"),
        ("url: sqlite:////a.db", "url", "db.url"),
        ("databse: x", "databse", ""),
        ("dbs: {url: x}", "dbs", "db"),
        ("enviroment: production", "enviroment", "environment"),
        ("db: {url: 'sqlite:////a.db'}\n5: x", "5", ""),
        ("db: {url: 'sqlite:////a.db'}\nsource: x", "source", ""),
        ("db: {<<: {url: x}}", 'db."<<"', ""),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(write: Write, text: str, key: str, nearest: str) -> None:
    file = write(text)

    with pytest.raises(UnknownKey) as caught:
        load(file)

    assert caught.value.code == "config.E106"
    assert caught.value.message.replace('"', "") == f"unknown key {key}".replace('"', "")
    assert caught.value.nearest == nearest
    assert (nearest or "db.url") in caught.value.hints[0].text


@pytest.mark.parametrize("url", ["${DB_URL}", "postgresql://u:${DB_URL}@h/d", "sqlite:///${DB_URL}/a.db"])
def test_a_variable_that_is_not_set_is_named_with_its_key(write: Write, url: str) -> None:
    with pytest.raises(VariableUnset) as caught:
        load(write(f"db:\n  url: {url}\n"), OTHER="x")

    assert caught.value.code == "config.E107"
    assert caught.value.message == "db.url: the environment variable DB_URL is not set"
    assert caught.value.hints[0].command == "export DB_URL=..."


@pytest.mark.parametrize("value", ["${}", "${1A}", "${A:-b}", "${A", "x${ A }", "postgresql://u:${ge heim}@h/d"])
def test_a_variable_that_is_misspelt_is_refused(write: Write, value: str) -> None:
    with pytest.raises(InvalidValue, match=r"db.url: must be written with \${NAME}") as caught:
        load(write(f'db:\n  url: "{value}"\n'), A="a")

    assert "heim" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    ("key", "value", "expected", "found"),
    [
        ("server.port", "abc", "a whole number from 1 to 65535", "abc"),
        ("server.port", "0", "a whole number from 1 to 65535", '"0"'),
        ("server.port", "65536", "a whole number from 1 to 65535", '"65536"'),
        ("server.port", "80.5", "a whole number from 1 to 65535", '"80.5"'),
        ("server.port", "true", "a whole number from 1 to 65535", "true"),
        ("server.port", "٨٠", "a whole number from 1 to 65535", '"٨٠"'),
        ("server.port", "[1]", "one value", "a list"),
        ("server.host", "{a: b}", "one value", "keys with values"),
        ("server.host", "${EMPTY}", "a text that is not empty", '"${EMPTY}"'),
        ("db.pool_size", "0", "a whole number of at least 1", '"0"'),
        ("db.pool_size", "99999999999", "a whole number of at least 1", '"99999999999"'),
        ("db.max_overflow", "-1", "a whole number of at least 0", '"-1"'),
        ("db.pool_pre_ping", "maybe", "true or false", "maybe"),
        ("db.busy_timeout", "1e3", "a whole number from 0 to 3600", '"1e3"'),
        ("db.application_role", "[]", "one value", "a list"),
        ("environment", "prod", "one of development, test, staging, production", "prod"),
        ("environment", "${SECRET}", "one of development, test, staging, production", '"${SECRET}"'),
        ("server.port", "postgresql://u:geheim@h/d", "a whole number from 1 to 65535", '"postgresql://u:***@h/d"'),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(write: Write, key: str, value: str, expected: str, found: str) -> None:
    section, _, name = key.rpartition(".")
    keys = {"db": {"url": "sqlite:////a.db"}, "server": {}, "": {}}
    keys[section][name] = value
    lines = [f"{name}: {value}" for name, value in keys.pop("").items()]
    for each, settings in keys.items():
        lines += [f"{each}:", *(f"  {name}: {value}" for name, value in settings.items())]
    file = write("\n".join(lines))

    with pytest.raises(InvalidValue) as caught:
        load(file, EMPTY="", SECRET="geheim")

    assert caught.value.code == "config.E108"
    assert caught.value.message == f"{key}: must be {expected}"
    assert caught.value.details == {"file": str(file), "found": found}


def test_errors_about_a_url_name_the_key_and_the_file(write: Write) -> None:
    file = write("db:\n  url: sqlite:////a.db\n  admin_url: mysql://u:geheim@h/d\n")
    with pytest.raises(UnsupportedUrl, match=r"^db.admin_url: mysql is not supported$") as unsupported:
        load(file)
    file = write("db:\n  url: ${DB_URL}\n")
    with pytest.raises(UnreadableUrl, match=r"^db.url: ") as unreadable:
        load(file, DB_URL="postgresql://u:geh@eim@h/d")

    assert unsupported.value.code == "config.E109"
    assert unreadable.value.code == "config.E110"
    for error in (unsupported.value, unreadable.value):
        assert error.details["file"] == str(file)
        assert "geh" not in str(error.to_dict())
        assert "eim" not in str(error.to_dict())


@pytest.mark.parametrize(
    ("url", "admin_url", "allowed"),
    [
        ("postgresql://a@pooler/d", "postgresql://o@db1/antarest", True),
        ("sqlite:////a.db", "sqlite:////a.db", True),
        ("sqlite:////a.db", "sqlite:////b.db", False),
        ("sqlite:////a.db", "postgresql://o:geheim@db1/antarest", False),
        ("postgresql://o:geheim@db1/antarest", "sqlite:////a.db", False),
    ],
)
def test_migrations_move_the_database_that_the_application_uses(
    write: Write, url: str, admin_url: str, allowed: bool
) -> None:
    file = write(f"db:\n  url: {url}\n  admin_url: {admin_url}\n")
    if allowed:
        assert load(file).db.admin_url == normalise_url(admin_url)
        return
    with pytest.raises(InvalidValue, match=r"^db.admin_url: must be the same database as db.url") as caught:
        load(file)

    assert "geheim" not in str(caught.value.to_dict())


def test_every_refusal_is_a_usage_error_of_at_most_nine_lines(write: Write) -> None:
    texts = ["", "[", "- a", "db:", "urll: x", "db: {url: mysql://h/d}", "db: {url: 'postgresql://a:b@c@d/e'}"]
    texts += ["db: {url: '${X}'}", "db: {url: 'sqlite:////a.db', pool_size: x}"]
    for text in texts:
        with pytest.raises(ConfigError) as caught:
            load(write(text))
        error = caught.value
        assert error.exit_code == EXIT_USAGE
        assert error.state == NOTHING_CHANGED
        assert "\n" not in error.message
        assert 2 + len(error.details) + len(error.hints) <= 9
