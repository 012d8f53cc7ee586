"""Measure our commands and those of plain Alembic on the same revisions."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, make_url, text

from antarest.migration.branches import snapshots
from antarest.migration.project.project import Project
from antarest.migration.scratch.databases import EngineName, PostgresServer, scratch_database
from antarest.migration.snapshot.file import Snapshot
from benchmarks import histories
from benchmarks.histories import Bench
from benchmarks.measure import (
    Known,
    Row,
    Side,
    alternate,
    compare,
    cpu_seconds,
    environment,
    peak_memory,
    row,
    run,
    within,
)
from tests.support.projects.branches import SETTINGS, Clone

_COLUMNS = (
    'sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20), nullable=False, unique=True), '
    'sa.Column("size", sa.Numeric(10, 2), server_default="0"), sa.Column("at", sa.DateTime, index=True), '
    'sa.Column("before", sa.Integer, sa.ForeignKey("m{before}.id", name="fk_{number}", ondelete="CASCADE"))'
)

ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")
SIZES = (10, 100, 1000, 5000)
COMPILES_ANEW = {"PYTHONDONTWRITEBYTECODE": "1"}

BARE = "import sys, sqlalchemy, invoke; sqlalchemy.create_engine(sys.argv[1]).connect()"
ABOVE_BARE = {10: 60, 100: 60, 1000: 60, 5000: 110}
"""For each number of revisions, the CPU milliseconds that `inv db.upgrade` is allowed to add at head."""

_GUARDS = "nothing is rebuilt; ours reads what each file declares, and watches each statement"
_HASHES = "the hash of each revision is compared, and each gets a line in the record"
_REBUILDS = "nearly half of the time is Alembic's, which rebuilds one table after another"
_READS = "reading the files alone takes at least 45 ms"
_FLOOR = "62 MiB are there before the first revision runs"
_IMPORTS = "env.py gives the options of the project, so Alembic has to be imported, and a process takes longer to begin"
_MODELS = "300 tables, 100 revisions"
_MAKES = "a server makes all tables twice, where `alembic check` is given a database that has them"
_COMPARES = "ours brings a scratch database to head, compares more, and asks the libraries of env.py"


def at_head(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the upgrade of a database that is at head already, as at every start of an application."""
    for engine in ENGINES:
        seconds = {}
        for size in SIZES:
            with ExitStack() as stack:
                bench, ours, theirs = _sides(stack, folder / f"{engine}-{size}", engine, server, size, at_head=True)
                what = f"`inv db.upgrade` at head, {engine}, {size:,} revisions"
                measured = compare(what, ours, theirs, None)
                seconds[size] = measured.ours
                yield measured
                bare = replace(ours, command=[sys.executable, "-c", BARE, ours.env["BENCH_URL"]])
                above = (cpu_seconds(ours) - cpu_seconds(bare)) * 1000
                what = "CPU time of this upgrade in ms, without the import of libraries and the connection"
                yield within(what, above, ABOVE_BARE[size], "ms")
                if size == max(SIZES):
                    shutil.rmtree(bench.folder / "versions" / "__pycache__")
                    ours, theirs = (replace(side, env={**side.env, **COMPILES_ANEW}) for side in (ours, theirs))
                    what = f"the same, {engine}, if Python stores no compiled revisions, as in the container image"
                    yield compare(what, ours, theirs, None)
        yield row(f"ours, {engine}, 5,000 revisions compared with 10", seconds[5000], seconds[10], 1.5)


def looking(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the commands that only read: the status, the history, and the plan of a rollback."""
    seconds: dict[tuple[str, int], float] = {}
    for size in SIZES:
        with ExitStack() as stack:
            bench, ours, theirs = _sides(stack, folder / str(size), "sqlite", server, size, at_head=True)
            most = 0.2 if size == 5000 else None
            status = Side(["inv", "db.status"], bench.folder, ours.env)
            current = Side(["alembic", "-c", "plain.ini", "current"], bench.folder, theirs.env)
            repeats = 3 if size == 5000 else 5
            what = f"`inv db.status` compared with `alembic current`, {size:,} revisions"
            measured = compare(what, status, current, most, repeats=repeats)
            yield measured
            seconds["`inv db.status`", size] = measured.ours
            _git_init(bench.folder)
            run(replace(status, command=["inv", "db.rollback-script"]))
            for what, command in _LOOKS.items():
                side = replace(status, command=command)
                run(side)  # The first plan of a rollback stores results about revisions, which later plans use.
                seconds[what, size] = alternate(partial(run, side), lambda: None, repeats)[0]
    for what in ("`inv db.status`", *_LOOKS):
        yield row(f"{what}, 5,000 revisions compared with 1,000", seconds[what, 5000], seconds[what, 1000], 5)


_LOOKS: dict[str, list[str | Path]] = {
    "`inv db.history`": ["inv", "db.history"],
    "`rollback.sh --dry-run`": [Path("scripts", "rollback.sh"), "--dry-run"],
}


def launching(folder: Path, _server: PostgresServer) -> Iterator[Row]:
    """Measure the milliseconds that the check of the revision adds to the launch of the application."""
    program = """
import sys, time
from pathlib import Path
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.errors.settings.urls import normalise_url
from antarest.migration.project.project import Project
from antarest.web.reading.database import Database
database = Database(DbConfig(normalise_url(sys.argv[2])), Project.load(sys.argv[1]))
began = time.perf_counter()
database.require_head()
print((time.perf_counter() - began) * 1000)
"""
    for size, most, known in ((100, 20, None), (5000, 60, Known(75, _READS))):
        bench = histories.write(folder / str(size), size)
        url = f"sqlite:///{folder}/{size}.db"
        _stamp(make_url(url), bench.head)
        command = [sys.executable, "-c", program, str(bench.folder / "alembic.ini"), url]
        times = sorted(
            float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)
        )
        yield within(f"check at launch, {size:,} revisions, ms", times[2], most, "ms", known=known)


def from_nothing(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the upgrade of an empty database to head, with all revisions, and with the snapshot."""
    wanted: list[tuple[EngineName, int, float | None, Known | None, float]] = [
        ("sqlite", 100, None, None, 0.5),
        ("sqlite", 1000, 0.3, Known(0.55, _REBUILDS), 0.06),
        ("postgresql", 100, None, None, 1.0),
        ("postgresql", 1000, 1.3, Known(1.7, _GUARDS), 0.4),
    ]
    seconds = {}
    for engine, size, most, known, most_loaded in wanted:
        with ExitStack() as stack:
            bench, ours, theirs = _sides(stack, folder / f"{engine}-{size}", engine, server, size, at_head=False)
            what = f"empty {engine} database to head, {size:,} revisions"
            measured = compare(what, ours, theirs, most, known, repeats=3)
            yield measured
            if (engine, size) == ("sqlite", 1000):
                memory = peak_memory(ours), peak_memory(theirs)
                yield row("the same, memory in MiB", *memory, 0.5, Known(0.6, _FLOOR))
                differ = _schema(ours) ^ _schema(theirs)
                yield within("the same, what differs between the schemas", len(differ), 0, "objects")
            file = snapshots.write(Project.load(bench.folder / "alembic.ini"), engine)
            loaded = row(f"{what}, from the snapshot", _load(ours), measured.theirs, most_loaded, Known(2, _IMPORTS))
            yield loaded
            above = loaded.ours - run(replace(ours, prepare=lambda: None)) - _statements(ours, file)
            what = "seconds of this upgrade, without `inv db.upgrade` at head and the snapshot's statements"
            yield within(what, above, 0.1, "s", known=Known(0.4, _IMPORTS))
            seconds[engine, size] = loaded.ours
    with ExitStack() as stack:
        bench, ours, _ = _sides(stack, folder / "5000", "sqlite", server, 5000, at_head=False)
        snapshots.write(Project.load(bench.folder / "alembic.ini"), "sqlite")
        what = "empty sqlite database to head, from the snapshot, 5,000 revisions compared with 1,000"
        yield row(what, _load(ours), seconds["sqlite", 1000], 1.5, Known(2, _HASHES))


def _load(side: Side) -> float:
    """Return the median time of upgrades that load the snapshot, in seconds.

    Raises:
        RuntimeError: an upgrade ran the revisions, and did not load the snapshot.
    """
    seconds = statistics.median(run(side) for _ in range(3))
    side.prepare()
    command = [str(part) for part in side.command]
    said = subprocess.run(command, cwd=side.folder, env=environment(side), capture_output=True, text=True, check=True)
    if "revisions from " not in said.stdout:
        raise RuntimeError(f"the snapshot was not used: {said.stdout[-500:]}")
    return seconds


def _statements(side: Side, file: Path | None) -> float:
    """Return the seconds that the driver alone needs to run the statements of a snapshot."""
    side.prepare()
    statements = Snapshot.parse(file.read_bytes() if file else b"").statements
    began = time.perf_counter()
    with create_engine(side.env["BENCH_URL"], poolclass=NullPool).begin() as connection:
        cursor = connection.connection.cursor()
        for statement in statements if connection.dialect.name == "sqlite" else [";\n".join(statements)]:
            cursor.execute(statement)
    return time.perf_counter() - began


def _schema(side: Side) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(str(make_url(side.env["BENCH_URL"]).database))) as connection:
        own = "('alembic_version', 'alembic_history')"
        found = connection.execute(f"SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT IN {own}")
        return set(found.fetchall())


def models(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the comparison of models and migrations, with 300 tables and 100 revisions, in a git repository."""
    columns = [_COLUMNS.format(before=max(number - 1, 0), number=number) for number in range(300)]
    tables = "".join(f'sa.Table("m{number}", metadata, {each})\n' for number, each in enumerate(columns))
    text_ = f"import sqlalchemy as sa\n\nmetadata = sa.MetaData()\n{tables}"
    with ExitStack() as stack:
        bench, ours, theirs = _sides(stack, folder / "models", "sqlite", server, 0, at_head=True, models=text_)
        _write_history(bench.folder / "versions", columns)
        _git_init(bench.folder)
        _empty(make_url(theirs.env["BENCH_URL"]))
        run(theirs)
        check = replace(theirs, command=["alembic", "-c", "plain.ini", "check"], prepare=lambda: None)
        url = stack.enter_context(scratch_database("postgresql", server))
        on_postgres = {"BENCH_URL": url.render_as_string(hide_password=False)}
        run(Side(theirs.command, bench.folder, on_postgres))
        both = Side(["inv", "db.check"], bench.folder, ours.env)
        sides = (both, check, replace(check, env=on_postgres))
        times = [alternate(partial(run, side), lambda: None, 3)[0] for side in sides]
        yield row(
            f"`inv db.check`, on both engines, compared with `alembic check` on each, {_MODELS}",
            times[0],
            times[1] + times[2],
            1.0,
            Known(1.45, _MAKES),
        )
        yield from _new_revisions(bench.folder, ours, theirs, check)


def _write_history(versions: Path, columns: Sequence[str]) -> None:
    """Write a revision that creates a table for each text in `columns`, and 99 empty revisions that follow it."""
    made = "".join(f'    op.create_table("m{number}", {each})\n' for number, each in enumerate(columns))
    (versions / "aaaaaaaaaaaa_tables.py").write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\nrevision = "aaaaaaaaaaaa"\ndown_revision = None\n\n\n'
        f"def upgrade():\n{made}\n\ndef downgrade():\n    pass\n"
    )
    down = "aaaaaaaaaaaa"
    for number in range(99):
        text_ = f'revision = "{number:012x}"\ndown_revision = "{down}"\n'
        text_ += "\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
        (versions / f"{number:012x}.py").write_text(text_)
        down = f"{number:012x}"


def _new_revisions(folder: Path, ours: Side, theirs: Side, check: Side) -> Iterator[Row]:
    """Measure `db.revision` on SQLite only, because plain Alembic compares only one engine."""
    known = Known(1.25, _COMPARES)
    ini, path, versions = folder / "alembic.ini", folder / "models.py", folder / "versions"
    ini.write_text(f"{ini.read_text()}engines = sqlite\n")
    nothing = Side(["inv", "db.revision", "--message=nothing"], folder, ours.env)
    yield compare(
        f"`inv db.revision` compared with `alembic check`, SQLite alone, {_MODELS}", nothing, check, 1.0, known
    )
    files = {*versions.glob("*.py")}
    path.write_text(path.read_text().replace('"before"', '"more", sa.Integer), sa.Column("before"', 1))

    def forget() -> None:
        for file in {*versions.glob("*.py")} - files:
            file.unlink()

    yield compare(
        "`inv db.revision` compared with `alembic revision --autogenerate`, SQLite alone, after a new column",
        replace(nothing, prepare=forget),
        replace(theirs, command=["alembic", "-c", "plain.ini", "revision", "--autogenerate"], prepare=forget),
        1.0,
        known,
    )


def hook(folder: Path, server: PostgresServer) -> Iterator[Row]:
    """Measure the time that the git hook adds to `git switch`, if the branches have the same revision files."""
    with scratch_database("sqlite") as url:
        clone = Clone.create(folder / "clone", url, server)
        clone.git("branch", "same")
        without, _ = alternate(partial(_switch_and_back, clone), lambda: None, 15)
        clone.follower.install_hooks()
        with_it, _ = alternate(partial(_switch_and_back, clone), lambda: None, 15)
    yield row("`git switch` and back, with the hook to without", with_it, without, None, note="no revision changed")


def _switch_and_back(clone: Clone) -> None:
    for branch in ("same", "main"):
        environment = {**os.environ, **SETTINGS}
        subprocess.run(["git", "switch", "--quiet", branch], cwd=clone.folder, env=environment, check=True)


def _sides(
    stack: ExitStack,
    folder: Path,
    engine: EngineName,
    server: PostgresServer,
    size: int,
    *,
    at_head: bool,
    models: str = "",
) -> tuple[Bench, Side, Side]:
    """Create a project, and two upgrades to compare: ours and that of plain Alembic, each with its own database."""
    bench = histories.write(folder, size, models)
    commands: dict[str, list[str | Path]] = {
        "ours": ["inv", "db.upgrade"],
        "plain": ["alembic", "-c", "plain.ini", "upgrade", "head"],
    }
    sides = []
    for name, command in commands.items():
        url = stack.enter_context(scratch_database(engine, server))
        shown, config = url.render_as_string(hide_password=False), folder / f"{name}.yaml"
        config.write_text(f"db:\n  url: {shown}\n")
        if at_head:
            _stamp(url, bench.head)
        prepare = partial(_empty, url) if not at_head else lambda: None
        sides.append(Side(command, folder, {"BENCH_URL": shown, "ANTAREST_CONF": str(config)}, prepare))
    return bench, sides[0], sides[1]


def _git_init(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=folder, env={**os.environ, **SETTINGS}, check=True)


def _empty(url: URL) -> None:
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).unlink(missing_ok=True)
        return
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def _stamp(url: URL, head: str) -> None:
    """Create a version table that records the head, so that an upgrade has nothing to do."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
