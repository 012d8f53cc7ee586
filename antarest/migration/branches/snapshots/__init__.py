"""Writes the snapshots of a project, proves them on other servers, and finds snapshots that are out of date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

from ...database.waits import Tell, say_nothing
from ...errors.facts.project import SnapshotUnfit
from ...errors.settings.whole_file import write_whole
from ...project.project import Project
from ...scratch.comparison import BOTH
from ...scratch.databases import EngineName, NoPostgres
from ...scratch.migrated import asked_or_expected, revision_texts
from ...scratch.servers import scratch_servers, server_at
from ...snapshot.file import Doubt, path_of
from ...snapshot.loading import find
from .grounds import PostgresGround, SqliteGround
from .writer import SnapshotWriter

__all__ = ["BOTH", "kept", "prove", "stale", "write"]


def write(project: Project, engine: EngineName, note: Tell = say_nothing) -> Path | None:
    """Write the snapshot of an engine.

    Args:
        project: the project.
        engine: the engine.
        note: called with messages for the user.

    Returns:
        The new file; None if the existing file is up to date.

    Raises:
        InstalledCopy: the project is an installed copy.
        SnapshotUnfit: a snapshot of these revisions is not possible.
        ScratchRunFailed: a revision fails.
        NoPostgres: there is no server for scratch databases.
    """
    project.refuse_installed()
    path = path_of(project, engine)
    if path.is_file() and not why_stale(project, engine):
        return None
    if engine == "sqlite":
        made = SnapshotWriter.of(project, SqliteGround()).make()
    else:
        with scratch_servers(asked_or_expected(project, None), revision_texts(project), note) as servers:
            try:
                made = servers.run(lambda server: SnapshotWriter.of(project, PostgresGround(server)).make())
            except NoPostgres as error:
                raise (error.__cause__ or error) from None
    write_whole(path, made.render())
    return path


def prove(project: Project, url: URL) -> Path | None:
    """Prove the snapshot of PostgreSQL on another server, and add the major version of the server to the file.

    Args:
        project: the project.
        url: the URL of a database on the server. The role in the URL must be allowed to create databases.

    Returns:
        The changed file; None if the file already has the version.

    Raises:
        SnapshotUnfit: the snapshot is out of date, or does not have the effect of the revisions on this server.
    """
    project.refuse_installed()
    if why := why_stale(project, "postgresql"):
        raise SnapshotUnfit(f"the snapshot to prove is out of date: {why}")
    with server_at(url, asked_or_expected(project, None), revision_texts(project)) as servers:
        try:
            snapshot = servers.run(lambda server: SnapshotWriter.of(project, PostgresGround(server)).prove_here())
        except NoPostgres as error:
            raise (error.__cause__ or error) from None
    path = path_of(project, "postgresql")
    if (content := snapshot.render()) == path.read_bytes():
        return None
    write_whole(path, content)
    return path


def kept(project: Project) -> list[EngineName]:
    """Return the engines for which the project has a snapshot."""
    return [engine for engine in BOTH if path_of(project, engine).is_file()]


def stale(project: Project) -> Iterator[tuple[Path, str]]:
    """Yield the snapshots that are out of date, each with the reason."""
    yield from ((path_of(project, engine), why) for engine in kept(project) if (why := why_stale(project, engine)))


def why_stale(project: Project, engine: EngineName) -> str:
    """Return why the snapshot of an engine is out of date; empty if the snapshot matches the present revisions."""
    try:
        candidate = find(project, engine, project.history.heads)
    except Doubt as doubt:
        return str(doubt)
    known = candidate.contents if candidate else {}
    missing = [id_ for id_ in project.history.order if id_ not in known]
    return f"it lacks revision {missing[0]}" if missing else ""
