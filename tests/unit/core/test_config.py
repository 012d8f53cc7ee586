from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from antarest.core import config as config_module
from antarest.core.config import CHECKOUT, Config, DbConfig, ServerConfig, load_config, normalise_url
from antarest.core.errors import (
    EXIT_USAGE,
    NOTHING_CHANGED,
    ConfigEmpty,
    ConfigError,
    ConfigNotFound,
    ConfigNotMapping,
    ConfigNotYaml,
    DatabaseUrlMissing,
    InvalidValue,
    UnknownKey,
    UnreadableUrl,
    UnsupportedUrl,
    VariableUnset,
)

POSTGRESQL = "postgresql://antarest:geheim@db1:5432/antarest"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file, and return its path."""

    def write(text: str) -> Path:
        file = tmp_path / "conf" / "application.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


def load(file: Path, **environ: str) -> Config:
    return load_config(file, environ=environ)


def names(folder: Path, database: str, file: str = "application.yaml") -> Path:
    """Write a file that names an SQLite database, by which a test knows the file again."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_text(f"db:\n  url: sqlite:////{database}.db\n")
    return path


# ---- what a configuration holds


def test_a_file_that_only_names_a_database_leaves_the_rest_at_its_defaults(write: Write) -> None:
    file = write(f"db:\n  url: {POSTGRESQL}\n")

    config = load(file)

    assert config == Config(
        db=DbConfig(URL.create("postgresql+psycopg2", "antarest", "geheim", "db1", 5432, "antarest")),
        source=file,
        environment="development",
        server=ServerConfig(host="127.0.0.1", port=8080),
    )


def test_every_setting_can_be_given(write: Write) -> None:
    file = write(
        """
environment: Production
db:
  url: postgresql://antarest@db1/antarest
  admin_url: postgresql://owner@db1/antarest
  application_role: readers
  pool_size: 7
  max_overflow: 0
  pool_recycle: 60
  pool_pre_ping: no
  connect_timeout: 3
  busy_timeout: 4
server:
  host: 0.0.0.0
  port: "9090"
"""
    )

    config = load(file)

    assert config.environment == "production"
    assert config.server == ServerConfig("0.0.0.0", 9090)  # noqa: S104 - a value, nothing listens
    assert config.db == DbConfig(
        url=normalise_url("postgresql://antarest@db1/antarest"),
        admin_url=normalise_url("postgresql://owner@db1/antarest"),
        application_role="readers",
        pool_size=7,
        max_overflow=0,
        pool_recycle=60,
        pool_pre_ping=False,
        connect_timeout=3,
        busy_timeout=4,
    )


def test_a_setting_without_a_value_has_its_default(write: Write) -> None:
    config = load(write("db:\n  url: sqlite:////a.db\n  admin_url:\n  pool_size: null\n  max_overflow: ~\nserver:\n"))

    assert config.db == DbConfig(normalise_url("sqlite:////a.db"))
    assert config.server == ServerConfig()


def test_a_configuration_cannot_be_changed(write: Write) -> None:
    config = load(write("db:\n  url: sqlite:////a.db\n"))

    with pytest.raises(FrozenInstanceError):
        config.environment = "production"  # type: ignore[misc]


def test_migrations_prefer_the_url_of_the_owner() -> None:
    url, admin = normalise_url("postgresql://antarest@db1/a"), normalise_url("postgresql://owner@db1/a")

    assert DbConfig(url).migration_url == url
    assert DbConfig(url, admin).migration_url == admin


@pytest.mark.parametrize(
    ("url", "admin_url", "application_role", "role"),
    [
        ("postgresql://antarest@h/d", None, None, None),
        ("postgresql://antarest@h/d", "postgresql://antarest:other@h/d", None, None),
        ("postgresql://antarest@h/d", "postgresql://owner@h/d", None, "antarest"),
        ("postgresql://antarest@h/d", "postgresql://owner@h/d", "readers", "readers"),
        ("postgresql://antarest@h/d", None, "readers", "readers"),
        ("postgresql://h/d?user=antarest", "postgresql://owner@h/d", None, "antarest"),
        ("postgresql://h/d", "postgresql://owner@h/d", None, None),
        ("sqlite:////a.db", None, "readers", None),
    ],
)
def test_rights_are_granted_where_another_role_owns_the_tables(
    url: str, admin_url: str | None, application_role: str | None, role: str | None
) -> None:
    db = DbConfig(normalise_url(url), normalise_url(admin_url) if admin_url else None, application_role)

    assert db.role_to_grant == role


def test_no_representation_shows_a_password(write: Write) -> None:
    config = load(
        write(
            "db:\n  url: postgresql://u:geheim@h/d?sslpassword=geheim\n"
            "  admin_url: postgresql://h/d?user=o&password=geheim\n"
        )
    )

    for shown in (repr(config), str(config), repr(config.db), f"{config.db}", repr(config.db.admin_url)):
        assert "geheim" not in shown


# ---- which file


def test_the_file_is_searched_in_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, ANTAREST_CONF, the working directory, the root of the checkout, the default that is shipped."""
    root, cwd = tmp_path / "checkout", tmp_path / "cwd"
    monkeypatch.setattr(config_module, "CHECKOUT", root)
    given = names(tmp_path, "given", "given.yaml")
    environ = {"ANTAREST_CONF": str(names(tmp_path, "variable", "variable.yaml"))}
    order = [
        given,
        Path(environ["ANTAREST_CONF"]),
        names(cwd, "cwd"),
        names(root, "root"),
        names(root / "resources", "r"),
    ]

    assert load_config(given, environ=environ, cwd=cwd).source == order[0]
    assert load_config(str(given), environ=environ, cwd=cwd).db.url.database == "/given.db"
    for expected in order[1:]:
        assert load_config(environ=environ, cwd=cwd).source == expected
        environ.clear()
        if expected != given and expected.name == "application.yaml":
            expected.unlink()

    with pytest.raises(ConfigNotFound, match="no such file"):
        load_config(environ={}, cwd=cwd)


def test_environment_and_working_directory_are_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTAREST_CONF", str(names(tmp_path, "variable", "variable.yaml")))
    names(tmp_path, "cwd")
    monkeypatch.chdir(tmp_path)

    assert load_config().source == tmp_path / "variable.yaml"
    monkeypatch.delenv("ANTAREST_CONF")
    assert load_config().source == tmp_path / "application.yaml"
    assert load_config("variable.yaml").source == tmp_path / "variable.yaml"


def test_the_default_that_is_shipped_is_a_file_in_the_root_of_the_checkout() -> None:
    config = load(CHECKOUT / "resources" / "application.yaml")

    assert config.db == DbConfig(URL.create("sqlite", database=str(CHECKOUT / "antarest.db")))
    assert config.environment == "development"
    assert config.server == ServerConfig()


def test_every_setting_is_shown_in_the_default_that_is_shipped() -> None:
    text = (CHECKOUT / "resources" / "application.yaml").read_text()

    for key in config_module._KEYS:
        assert f"{key.rpartition('.')[2]}:" in text


@pytest.mark.parametrize("named_by", ["--config", "ANTAREST_CONF"])
def test_a_named_file_that_is_missing_is_never_replaced_by_another(tmp_path: Path, named_by: str) -> None:
    names(tmp_path, "cwd")
    missing = tmp_path / "aplication.yaml"
    path, environ = (missing, {}) if named_by == "--config" else (None, {"ANTAREST_CONF": "aplication.yaml"})

    with pytest.raises(ConfigNotFound) as caught:
        load_config(path, environ=environ, cwd=tmp_path)

    assert caught.value.code == "config.E101"
    assert caught.value.exit_code == EXIT_USAGE
    assert caught.value.message == f"the configuration file cannot be read (no such file or directory): {missing}"
    assert caught.value.details == {"named by": named_by}
    assert caught.value.similar == (tmp_path / "application.yaml",)
    assert caught.value.state == NOTHING_CHANGED


@pytest.mark.parametrize(("path", "environ"), [("", {}), (None, {"ANTAREST_CONF": ""})])
def test_an_empty_name_is_no_invitation_to_search(tmp_path: Path, path: str | None, environ: dict[str, str]) -> None:
    """It comes from a variable that somebody forgot to set: `--config=$CONF`."""
    names(tmp_path, "cwd")

    with pytest.raises(ConfigNotFound, match="the name is empty"):
        load_config(path, environ=environ, cwd=tmp_path)


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigNotFound, match="is a directory"):
        load_config(tmp_path, environ={})


def test_a_link_that_leads_nowhere_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "application.yaml").symlink_to(tmp_path / "gone.yaml")

    with pytest.raises(ConfigNotFound, match="no such file"):
        load_config(environ={}, cwd=tmp_path)


def test_a_file_that_this_user_may_not_read_is_refused(open_folder: Path, as_nobody: Callable[..., str]) -> None:
    file = names(open_folder, "secret")
    file.chmod(0o000)
    program = """
import sys
from antarest.core.config import load_config
from antarest.core.errors import ConfigNotFound

try:
    load_config(sys.argv[1], environ={})
except ConfigNotFound as error:
    print(error)
"""

    assert as_nobody(program, file) == f"the configuration file cannot be read (permission denied): {file}"


# ---- what is refused


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


# ---- variables


def test_a_value_that_is_one_variable_is_taken_as_it_is(write: Write) -> None:
    file = write("environment: ${ENV}\ndb:\n  url: ${DB_URL}\n  pool_size: ${SIZE}\n  pool_pre_ping: ${PING}\n")

    config = load(file, ENV="staging", DB_URL=" postgresql://u:100%25@h/d?sslmode=require\n", SIZE=" 9\n", PING="False")

    assert config.environment == "staging"
    assert config.db == DbConfig(
        normalise_url("postgresql://u:100%25@h/d?sslmode=require"), pool_size=9, pool_pre_ping=False
    )
    assert config.db.url.password == "100%"


@pytest.mark.parametrize(
    "secret", ["p@ss", "a:b", "a/b", "a?b", "a#b", "100%", "%41", "a&b=c", "a+b c", "[x]", "ü", "${X}"]
)
@pytest.mark.parametrize("place", ["postgresql://u:${S}@h/d", "postgresql://h/d?user=u&password=${S}"])
def test_a_password_from_a_variable_may_hold_any_character(write: Write, secret: str, place: str) -> None:
    url = load(write(f"db:\n  url: {place}\n"), S=secret).db.url

    assert url == URL.create("postgresql+psycopg2", "u", secret, "h", None, "d")


def test_every_part_of_a_url_can_be_a_variable(write: Write) -> None:
    file = write("db:\n  url: ${KIND}://${USER}:${PASSWORD}@${SERVER}/${NAME}?application_name=${APP}\n")

    url = load(
        file, KIND="postgres", USER="a@corp", PASSWORD="p", SERVER="db1:5433", NAME="my db/1", APP="a&b=c"
    ).db.url

    assert url == URL.create(
        "postgresql+psycopg2", "a@corp", "p", "db1", 5433, "my db/1", query={"application_name": "a&b=c"}
    )


def test_a_path_from_a_variable_may_hold_any_character(write: Write) -> None:
    url = load(write("db:\n  url: sqlite:///${FOLDER}/a.db\n"), FOLDER="/srv/100%25 @ho?me#").db.url

    assert url.database == "/srv/100%25 @ho?me#/a.db"


def test_a_percent_sign_in_a_password_needs_no_variable(write: Write) -> None:
    assert load(write("db:\n  url: postgresql://u:100%@h/d\n")).db.url.password == "100%"
    assert load(write("db:\n  url: postgresql://u:50%25@h/d\n")).db.url.password == "50%"


def test_two_dollars_are_the_text_itself(write: Write) -> None:
    db = load(write("db:\n  url: postgresql://u:$${A}$B$$@h/d\n  application_role: $${A}-${A}\n"), A="a").db

    assert db.url.password == "${A}$B$$"
    assert db.application_role == "${A}-a"


# ---- SQLite


def test_a_relative_sqlite_path_is_relative_to_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("db:\n  url: sqlite:///../data/a.db\n")
    monkeypatch.chdir("/")

    assert load(file).db.url.database == str(tmp_path / "data" / "a.db")
    assert load_config("conf/application.yaml", environ={}, cwd=tmp_path).db.url.database == str(tmp_path / "data/a.db")


def test_a_linked_configuration_is_relative_to_the_folder_that_was_named(write: Write, tmp_path: Path) -> None:
    file = write("db:\n  url: sqlite:///a.db\n")
    (tmp_path / "named.yaml").symlink_to(file)

    config = load(tmp_path / "named.yaml")

    assert config.source == tmp_path / "named.yaml"
    assert config.db.url.database == str(tmp_path / "a.db")


def test_a_database_in_memory_can_be_configured(write: Write) -> None:
    assert config_module.is_memory(load(write("db:\n  url: 'sqlite://'\n")).db.url)
