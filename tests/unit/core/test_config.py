from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from antarest.core.config import SECTIONS, AppConfig, ServerConfig, load_config
from antarest.migration.errors.base import EXIT_USAGE, NOTHING_CHANGED
from antarest.migration.errors.facts.configuration import ConfigNotFound, UnknownKey
from antarest.migration.errors.settings import config as reader
from antarest.migration.errors.settings.config import keys_of, known_sections
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import normalise_url
from tests.support.projects.checkouts import ROOT
from tests.support.projects.config import POSTGRESQL, Write, load, names


def test_a_file_that_only_names_a_database_leaves_the_rest_at_its_defaults(write: Write) -> None:
    file = write(f"db:\n  url: {POSTGRESQL}\n")

    config = load(file)

    assert config == AppConfig(
        db=DbConfig(URL.create("postgresql+psycopg2", "antarest", "geheim", "db1", 5432, "antarest")),
        source=file,
        environment="development",
        sections={"server": ServerConfig(host="127.0.0.1", port=8080)},
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
    """--config, ANTAREST_CONF, the working folder, the root of the checkout, and the default file of the package."""
    root, cwd = tmp_path / "checkout", tmp_path / "cwd"
    monkeypatch.setattr(reader, "ROOT", root)
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
    config = load(ROOT / "resources" / "application.yaml")

    assert config.db == DbConfig(URL.create("sqlite", database=str(ROOT / "antarest.db")))
    assert config.environment == "development"
    assert config.server == ServerConfig()


def test_every_setting_is_shown_in_the_default_that_is_shipped() -> None:
    text = (ROOT / "resources" / "application.yaml").read_text()

    for key in keys_of(known_sections(SECTIONS)):
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
    """An empty name comes from a variable that somebody forgot to set: `--config=$CONF`."""
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
from antarest.migration.errors.facts.configuration import ConfigNotFound, UnknownKey

try:
    load_config(sys.argv[1], environ={})
except ConfigNotFound as error:
    print(error)
"""

    assert as_nobody(program, file) == f"the configuration file cannot be read (permission denied): {file}"


# ---- sections of an application


def test_where_nobody_declares_sections_others_are_ignored(write: Write) -> None:
    file = write("db:\n  url: sqlite:////a.db\nlogging:\n  level: INFO\ndebug: true\n")

    config = reader.load_config(file, environ={})

    assert (config.db.url.database, config.environment, config.sections) == ("/a.db", "development", {})


@pytest.mark.parametrize(("name", "nearest"), [("enviroment", "environment"), ("dbs", "db")])
def test_where_nobody_declares_sections_a_misspelt_name_is_refused(write: Write, name: str, nearest: str) -> None:
    file = write(f"db:\n  url: sqlite:////a.db\n{name}: production\n")

    with pytest.raises(UnknownKey) as caught:
        reader.load_config(file, environ={})

    assert nearest in str(caught.value.to_dict())


def test_what_is_declared_is_read(write: Write) -> None:
    file = write("db:\n  url: sqlite:////a.db\nserver:\n  port: 81\n")

    assert reader.load_config(file, sections=SECTIONS, environ={}).sections == {"server": ServerConfig(port=81)}
