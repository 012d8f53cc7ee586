"""The engines side by side: a process for each, which proves the revisions on databases of its own."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from ..errors.base import AntarestError, Hint, MigrationError
from ..scratch.databases import EngineName, PostgresServer, postgres_server
from ..scratch.leftovers import owned_databases, owned_folder
from .clones import Clones, Place
from .findings.proof import Proof
from .prover import Prover
from .target import Target


class EngineFailed(MigrationError):
    """The proof on an engine ended before its time.

    Why: something in the project, or in the proof, did what neither of them expects: the message has Python's words.

    To do: `--debug` shows more. The other engine can be proved by itself with `--engine`.
    """

    code = "db.E804"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        hint = Hint("Prove the other engine by itself", "inv db.verify --engine=sqlite")
        super().__init__(f"the proof ended before its time: {reason}", hints=[hint])


@dataclass(frozen=True)
class Plan:
    """What is to be proved.

    Attributes:
        target: the project.
        wanted: the ids of the revisions.
        rows: how many rows a table gets at least.
        is_whole: whether the history as a whole is proved too.
        since: the project with its revisions as they were applied elsewhere, where they differ.
        keep: whether the databases around a revision with a finding are kept.
    """

    target: Target
    wanted: frozenset[str]
    rows: int
    is_whole: bool
    since: tuple[Target, ...] = ()
    keep: bool = False

    def fresh(self) -> Plan:
        """The same, without what was imported here, for another process."""
        return replace(self, target=replace(self.target), since=tuple(replace(each) for each in self.since))


def prove(plan: Plan, engines: Sequence[EngineName], server: PostgresServer | None = None) -> Iterator[Proof]:
    """Prove revisions on these engines.

    Args:
        plan: what is to be proved.
        engines: on which engines.
        server: where to make the databases of PostgreSQL; without it one is found or started.

    Yields:
        What was proved, as soon as it is; each engine in the order of the history, and the whole at last.

    Raises:
        NoPostgres: there is no PostgreSQL to be had.
        AntarestError: the project cannot be proved.
    """
    with ExitStack() as stack:
        places = [stack.enter_context(_place(engine, server, keep=plan.keep)) for engine in engines]
        context = multiprocessing.get_context("spawn")
        readers: list[Connection] = []
        for place in places:
            reader, writer = context.Pipe(duplex=False)
            arguments = (plan.fresh(), place, writer)
            process = context.Process(target=_work, args=arguments, name=f"verify-{place.engine}", daemon=True)
            with _undisturbed():  # A process that is being started inherits it: it does not print where it was stopped.
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
        return EngineFailed("the process of an engine has ended without an answer")


def _end(process: Any) -> None:
    with _undisturbed():
        process.terminate()
        process.join()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second Ctrl-C wait until nothing is left behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _place(engine: EngineName, server: PostgresServer | None, *, keep: bool = False) -> Iterator[Place]:
    """Where an engine has its databases; whatever becomes of its process, they are gone with the block.

    Those that are kept are elsewhere: in a folder that stays, and on a server that this process has not started.
    """
    if engine == "sqlite":
        kept = tempfile.mkdtemp(prefix="antarest-kept-") if keep else ""
        with owned_folder("antarest-verify-") as folder:
            try:
                yield Place("sqlite", URL.create("sqlite", database=str(folder / "verify.db")), kept=kept)
            finally:
                if kept:
                    with suppress(OSError):  # It has something in it.
                        Path(kept).rmdir()
        return
    with ExitStack() as stack:
        found = server or stack.enter_context(postgres_server())
        _, prefix = stack.enter_context(owned_databases(found.url, "antarest_verify_"))
        kept = f"antarest_kept_{secrets.token_hex(4)}_" if keep and found.kind == "url" else ""
        place = Place("postgresql", found.url, prefix, kept)
        try:
            yield place
        finally:
            with _undisturbed():
                place.tidy()


def _end_with_parent() -> None:
    """End this process when that one does which has begun it, also if it was killed."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _work(plan: Plan, place: Place, writer: Connection) -> None:
    """What the process of an engine does: it sends what it proves, and None at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; who began this one ends it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        plan.target.import_paths()
        with closing(Clones(place)) as clones:
            prover = Prover(plan.target, clones, place.engine, plan.rows, keep=plan.keep)
            for proof in prover.walk(plan.wanted, is_whole=plan.is_whole):
                writer.send(proof)
            if plan.is_whole:
                writer.send(prover.whole(plan.since))
        writer.send(None)
    except AntarestError as error:
        writer.send(error)
    except Exception as error:  # noqa: BLE001 - it crosses to another process, where it is told
        with suppress(OSError):  # Whoever asked is gone.
            writer.send(EngineFailed(f"{place.engine}: {type(error).__name__}: {error}"))
