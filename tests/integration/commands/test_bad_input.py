"""Each mistake of a user gives one clear error, the right exit code and a next step, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_FAILED, EXIT_USAGE, NOTHING_CHANGED
from tests.support.checks.refusals import SECRET, parse
from tests.support.projects.workshop import COUNTRY, Workshop

QUOTED = quote(SECRET, safe="")
RIVER, ROAD, BRIDGE = "b10000000000", "b20000000000", "d00000000000"


# ---- configuration

CONFIGURATIONS = {
    "empty": ("", "config.E102", "the configuration file is empty"),
    "not YAML": (f"db: [url: '{SECRET}'", "config.E103", "not valid YAML"),
    "a list": ("- db", "config.E104", "must hold keys with values"),
    "without db.url": ("db: {pool_size: 3}", "config.E105", "db.url: no database is named"),
    "an unknown key": (f"db: {{ulr: 'postgresql://me:{QUOTED}@h/d'}}", "config.E106", "unknown key db.ulr"),
    "an unset variable": ("db: {url: 'postgresql://me:${UNSET}@h/d'}", "config.E107", "variable UNSET is not set"),
    "an unsupported engine": (f"db: {{url: 'mysql://me:{QUOTED}@h/d'}}", "config.E109", "mysql is not supported"),
    "an unquoted password": (f"db: {{url: 'postgresql://me:{SECRET}@h/d'}}", "config.E110", "cannot be used"),
    "in memory": ("db: {url: 'sqlite://'}", "db.E701", "gone when the command ends"),
}


def test_a_configuration_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    here = Workshop.create(tmp_path)
    for what, (content, code, fact) in CONFIGURATIONS.items():
        with subtests.test(what):
            here.configure(content)
            refused = here.refused_here(capsys, "upgrade", EXIT_USAGE)

            assert refused.code == code
            assert fact in refused.fact


def test_a_configuration_that_no_command_can_use(tmp_path: Path) -> None:
    here = Workshop.create(tmp_path)
    content, code, fact = CONFIGURATIONS["an unquoted password"]
    here.configure(content)

    assert fact in here.refused("inv db.upgrade", code, EXIT_USAGE).fact


@pytest.mark.parametrize(
    ("case", "command"), [("an unset variable", "alembic current"), ("in memory", "alembic upgrade head")]
)
def test_plain_alembic_refuses_a_configuration_alike(tmp_path: Path, case: str, command: str) -> None:
    here = Workshop.create(tmp_path)
    content, code, fact = CONFIGURATIONS[case]
    here.configure(content)

    assert fact in here.refused(command, code, EXIT_USAGE).fact


def test_an_unknown_key_comes_with_the_nearest_one(tmp_path: Path) -> None:
    here = Workshop.create(tmp_path)
    here.configure("db: {ulr: 'sqlite:///x.db'}")

    assert here.refused("inv db.status", "config.E106", EXIT_USAGE).hints == (("The nearest key is db.url", ""),)


@pytest.mark.parametrize("command", ["inv db.upgrade --config=nowhere.yaml", "inv db.status", "alembic upgrade head"])
def test_a_named_configuration_that_is_missing_is_not_replaced_by_the_one_that_is_there(
    tmp_path: Path, command: str
) -> None:
    here = Workshop.create(tmp_path)
    here.configure("db: {url: 'sqlite:///antarest.db'}")
    other = {} if "--config" in command else {"ANTAREST_CONF": "nowhere.yaml"}

    refused = here.refused(command, "config.E101", EXIT_USAGE, **other)

    assert refused.fact.endswith(f"(no such file or directory): {here.folder / 'nowhere.yaml'}")
    assert refused.details == {"named by": next(iter(other), "--config")}


# ---- how far


UNREACHABLE = [
    # where the database is, the command, its error, the fact, the command that the error names last
    (BRIDGE, "upgrade --to=zebra", "db.E207", "there is no revision 'zebra'", "inv db.history"),
    (BRIDGE, "rollback --to=b", "db.E208", f"'b' is ambiguous: it could be {RIVER}, {ROAD}", "inv db.history"),
    (
        BRIDGE,
        f"upgrade --to={COUNTRY}",
        "db.E209",
        "is below the current revision",
        f"inv db.rollback --to={COUNTRY} --dry-run",
    ),
    (
        BRIDGE,
        "upgrade --to=base",
        "db.E209",
        "base is below the current",
        "inv db.rollback --to=base --dry-run",
    ),
    (
        COUNTRY,
        f"rollback --to={BRIDGE}",
        "db.E209",
        "is not below the current",
        f"inv db.upgrade --to={BRIDGE} --dry-run",
    ),
    (RIVER, f"rollback --to={ROAD}", "db.E209", "is not below the current one", "inv db.history"),
    (RIVER, f"upgrade --to={ROAD}", "db.E209", "is on another branch", f"inv db.rollback --to={COUNTRY} --dry-run"),
    (BRIDGE, f"rollback --to={ROAD}", "db.E209", "only one branch of a merge", f"inv db.rollback --to={COUNTRY}"),
    # Four revisions to base, but three states: a merge goes to the common ancestor of its branches.
    (
        BRIDGE,
        "rollback --steps=4",
        "db.E209",
        "cannot go 4 steps back: 3 at most",
        "inv db.rollback --to=base --dry-run",
    ),
    ("base", "rollback", "db.E209", "cannot go 1 step back: no revision is applied", "inv db.history"),
]


@pytest.mark.parametrize(("start", "command", "code", "fact", "way"), UNREACHABLE)
def test_a_revision_out_of_reach(
    tmp_path: Path,
    sqlite_database: URL,
    capsys: pytest.CaptureFixture[str],
    start: str,
    command: str,
    code: str,
    fact: str,
    way: str,
) -> None:
    """The error names the revisions within reach, whatever the engine is."""
    here = Workshop.create(tmp_path, "merge", sqlite_database)
    if start != "base":
        here.workflow.upgrade(start)
        here.execute("INSERT INTO country (id) VALUES (1)")
    verb, *flags = command.split(" --")
    options: dict[str, Any] = dict(flag.split("=") for flag in flags)

    refused = here.refused_here(capsys, verb, **options)

    assert refused.code == code
    assert fact in refused.fact
    assert refused.commands[-1].partition(" --config=")[0] == way


@pytest.mark.parametrize(
    ("destination", "code"), [("upgrade zebra", "db.E207"), ("downgrade b", "db.E208"), ("upgrade +9", "db.E603")]
)
def test_plain_alembic_has_the_same_words(tmp_path: Path, empty_database: URL, destination: str, code: str) -> None:
    here = Workshop.create(tmp_path, "merge", empty_database).at_country()

    here.refused(f"alembic {destination}", code)


def test_steps_that_are_no_number_of_steps(
    tmp_path: Path, sqlite_database: URL, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    """This also holds for what Invoke passes on: a value with a sign looks like a flag."""
    here = Workshop.create(tmp_path, "merge", sqlite_database).at_country()

    for steps in ("0", "-1", "two", "1.5"):
        with subtests.test(steps):
            refused = here.refused_here(capsys, "rollback", EXIT_USAGE, steps=steps)
            assert refused.fact == f"--steps must be a whole number from 1, not '{steps}'"
    refused = here.refused("inv db.rollback --steps=-1", "usage.E101", EXIT_USAGE)
    assert refused.fact == "--steps must be a whole number from 1, not '-1'"


def test_steps_and_a_revision(tmp_path: Path, sqlite_database: URL, capsys: pytest.CaptureFixture[str]) -> None:
    here = Workshop.create(tmp_path, "merge", sqlite_database).at_country()

    refused = here.refused_here(capsys, "rollback", EXIT_USAGE, steps="1", to="base")

    assert refused.fact == "--steps and --to cannot be given together"


# ---- the command line


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("--config=other.yaml db.status", "--config=other.yaml"),
        ("--config other.yaml db.upgrade", "--config=other.yaml"),
        ("-f other.yaml db.upgrade", "--config=other.yaml"),
        ("--debug db.status", "--debug"),
        ("db.status -f other.yaml", "--config=other.yaml"),
        ("db.upgrade -c other.ini", "--project=other.ini"),
    ],
)
def test_flags_that_invoke_would_swallow(tmp_path: Path, sqlite_database: URL, words: str, right: str) -> None:
    """Invoke would use these flags itself, without a message, and the command would work on another database."""
    here = Workshop.create(tmp_path, "merge", sqlite_database).at_country()
    (here.folder / "other.yaml").write_text("db: {url: 'sqlite:///other.db'}")

    # With --debug, Invoke first logs lines about itself, which are not ours.
    before = here.state()
    result = here.run(f"inv {words}")
    refused = parse(result.err[result.err.index("error usage.E101") :])

    assert (result.code, refused.state) == (EXIT_USAGE, NOTHING_CHANGED)
    task = next(word for word in words.split() if word.startswith("db."))
    assert refused.commands == [f"inv {task} {right}"]
    assert here.state() == before


@pytest.mark.parametrize("words", ["db.nope", "db.upgrade --nope", "db.rollback --to"])
def test_words_that_invoke_does_not_know(tmp_path: Path, sqlite_database: URL, words: str) -> None:
    """Invoke itself answers these words with one line, and runs nothing."""
    here = Workshop.create(tmp_path, "merge", sqlite_database).at_country()
    before = here.state()

    result = here.run(f"inv {words}")

    assert (result.code, result.out, len(result.err.splitlines())) == (EXIT_FAILED, "", 1)
    assert here.state() == before


def test_outside_of_the_repository(tmp_path: Path, sqlite_database: URL) -> None:
    configuration = Workshop.create(tmp_path, "merge", sqlite_database).folder / "application.yaml"
    outside = Workshop(tmp_path / "outside", sqlite_database)
    outside.folder.mkdir()

    missing = outside.refused("python -m antarest.migration status --project=alembic.ini", "db.E200", EXIT_USAGE)
    assert missing.fact == f"there is no Alembic project at {outside.folder / 'alembic.ini'}"
    no_tasks = outside.run("inv db.status")
    assert (no_tasks.code, no_tasks.out, len(no_tasks.err.splitlines())) == (EXIT_FAILED, "", 1)

    # Our own program has the project beside its package.
    status = outside.run(f"antarest-db status --config={configuration}")
    assert (status.code, status.err) == (EXIT_FAILED, "")
    assert "0 of " in status.out
    assert not list(outside.folder.iterdir())
