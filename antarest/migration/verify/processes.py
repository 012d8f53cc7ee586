"""Proves the revisions on all engines at the same time. Each engine has a process and databases of its own."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from ..errors.base import AntarestError, Hint, MigrationError
from ..scratch.databases import EngineName, PostgresServer, postgres_server
from ..scratch.leftovers import owned_databases, owned_folder
from .clones import Clones, DatabaseLocation
from .earlier.files import FileWatch
from .env_run import own_surroundings
from .findings.proof import Proof
from .proving.prover import ProofPlan, Prover

_SAFE_PATH = "PYTHONSAFEPATH"
_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).parents[__name__.count(".")]  # the folder of this package


class EngineFailed(MigrationError, code="db.E804"):
    """The proof on an engine ended with an unexpected error.

    Why: a module of the project, or the proof itself, raised an unexpected error. The message contains this error.

    To do: `--debug` shows more details. With `--engine`, you can prove the other engine alone.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        hint = Hint("Prove the other engine alone", "inv db.verify --engine=sqlite")
        super().__init__(f"the proof ended with an unexpected error: {reason}", hint)


def prove(plan: ProofPlan, engines: Sequence[EngineName], server: PostgresServer | None = None) -> Iterator[Proof]:
    """Prove revisions on one engine, or on both at the same time.

    Args:
        plan: the revisions, and the options of the proof.
        engines: the engines.
        server: the server for the databases of PostgreSQL; None to find or start a server.

    Yields:
        Each proof as soon as the proof is ready. The proofs of an engine come in the order of the history. The last
        proof of an engine is about the history as a whole.

    Raises:
        NoPostgres: no PostgreSQL is available.
        AntarestError: the project cannot be proved.
    """
    with ExitStack() as stack:
        locations = [stack.enter_context(location_for(engine, server, keep=plan.keep)) for engine in engines]
        context = multiprocessing.get_context("spawn")
        readers: list[Connection] = []
        for location in locations:
            reader, writer = context.Pipe(duplex=False)
            arguments = (plan.for_another_process(location.engine), location, writer)
            process = context.Process(target=_work, args=arguments, name=f"verify-{location.engine}", daemon=True)
            # The new process inherits the blocked signals and the path. Ctrl-C at its start would print a traceback.
            with _undisturbed(), _without_here(), ours_first([*plan.target.paths, *plan.target.namesake]):
                process.start()
            writer.close()
            stack.callback(_end, process)
            readers.append(reader)
        while readers:
            ready: list[Any] = wait(readers)
            for reader in ready:
                message = _receive(reader)
                if message is None:
                    readers.remove(reader)
                elif isinstance(message, Exception):
                    raise message
                else:
                    yield message


def _receive(reader: Connection) -> Any:
    try:
        return reader.recv()
    except EOFError:
        return EngineFailed("the process of an engine ended without an answer")


def _end(process: Any) -> None:
    with _undisturbed():
        process.terminate()
        process.join()


@contextmanager
def ours_first(paths: Sequence[str]) -> Iterator[None]:
    """Inside the `with` block, move some folders to the end of `sys.path`. A new process inherits this path.

    While Python starts, it must not find a module of the project in place of its own module with the same name. If this
    package itself lies in one of the folders, the new process must not find another copy of this package either.

    Args:
        paths: the folders of the project.
    """
    before = sys.path.copy()
    own = [path for path in before if path in paths and Path(path).absolute() == _ROOT]
    copies = [path for path in before if own and path not in paths and Path(path, _PACKAGE).is_dir()]
    last = [path for path in before if path in paths and path not in own]
    sys.path[:] = [*(path for path in before if path not in (*own, *copies, *last)), *own, *copies, *last]
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _without_here() -> Iterator[None]:
    """Inside the `with` block, a new process of Python does not look for its own modules in the working folder."""
    os.environ.setdefault(_SAFE_PATH, _PACKAGE)
    try:
        yield
    finally:
        _restore_here()


def _restore_here() -> None:
    """Undo `_without_here`, for the programs that this process starts."""
    if os.environ.get(_SAFE_PATH) == _PACKAGE:
        del os.environ[_SAFE_PATH]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the `with` block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def location_for(
    engine: EngineName, server: PostgresServer | None, *, keep: bool = False
) -> Iterator[DatabaseLocation]:
    """Create a location for the databases of an engine, and delete the databases at the end of the `with` block.

    Kept databases are not deleted. On SQLite, they are in a folder of their own. On PostgreSQL, no database can be kept
    on a server that the proof has started.

    Args:
        engine: the engine.
        server: the server for the databases of PostgreSQL; None to find or start a server.
        keep: whether the proof is allowed to keep databases.
    """
    if engine == "sqlite":
        kept = tempfile.mkdtemp(prefix="antarest-kept-") if keep else ""
        with owned_folder("antarest-verify-") as folder:
            try:
                yield DatabaseLocation("sqlite", URL.create("sqlite", database=str(folder / "verify.db")), kept=kept)
            finally:
                if kept:
                    with suppress(OSError):  # The folder is not empty if a database was kept.
                        Path(kept).rmdir()
        return
    with ExitStack() as stack:
        found = server or stack.enter_context(postgres_server())
        _, prefix = stack.enter_context(owned_databases(found.url, "antarest_verify_"))
        kept = f"antarest_kept_{secrets.token_hex(4)}_" if keep and found.kind == "url" else ""
        location = DatabaseLocation("postgresql", found.url, prefix, kept)
        try:
            yield location
        finally:
            with _undisturbed():
                location.drop_all()


def _end_with_parent() -> None:
    """End this process when its parent ends, even if the parent was killed."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(plan: ProofPlan, location: DatabaseLocation, writer: Connection) -> None:
    """Prove the revisions on one engine, in a process of its own. Send each proof, and None at the end."""
    _restore_here()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # The logs of the application must not be printed.
        os.dup2(nowhere, stream)
    watch = FileWatch.started() if plan.earlier else None
    variables = plan.target.run_env
    surroundings = own_surroundings(variables) if variables is not None else nullcontext()
    try:
        plan.target.import_paths()
        with surroundings, closing(Clones(location)) as clones:
            for proof in Prover(plan, clones, watch).prove():
                writer.send(proof)
        writer.send(None)
    except AntarestError as error:
        writer.send(error)
    except Exception as error:  # noqa: BLE001 - the parent reports it
        with suppress(OSError):  # The parent has ended.
            writer.send(EngineFailed(f"{location.engine}: {type(error).__name__}: {error}"))
