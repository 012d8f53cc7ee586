"""Proving a random history, in this process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from unittest.mock import patch

from antarest.migration.scratch.databases import EngineName, PostgresServer
from antarest.migration.verify import Verification, processes, prove_history
from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.findings.kinds import KINDS
from tests.random_histories.history import History, id_of, write
from tests.random_histories.mutations import Mutation
from tests.support.projects.verify import BOTH, prove_here


def prove(
    history: History, server: PostgresServer, only: Collection[str] = (), on: tuple[EngineName, ...] = BOTH
) -> Verification:
    """Prove a history.

    Args:
        history: which one.
        server: where the databases of PostgreSQL are made.
        only: the ids of the revisions to prove; all, where it is empty.
        on: the engines.

    Returns:
        What was found.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(processes, "prove", prove_here),
        patch.object(sys, "path", sys.path.copy()),
    ):
        target = target_of(str(write(history, Path(folder) / "project")), None, None, None)
        return prove_history(target, Verification(on), select=(lambda _: only) if only else None, server=server)


def is_caught(mutation: Mutation, history: History, found: Verification) -> bool:
    """Whether the fault of the last revision is found there, as grave as it is, on each engine where it must be.

    Args:
        mutation: the kind of fault.
        history: with it.
        found: what the proof has found, on some engines.

    Returns:
        Whether it is found on all engines that were asked, of those that can show it.
    """
    last = id_of(len(history) - 1)
    graves = {mutation.severity, KINDS["V509"].severity} if "V509" in mutation.ids else {mutation.severity}
    fitting = [each for each in found.findings if each.id in mutation.ids and each.severity in graves]
    engines_ = {each.engine for each in fitting if each.revision in (last, "")}
    asked = [engine for engine in mutation.engines if engine in found.engines]
    return "" in engines_ or (bool(asked) and engines_.issuperset(asked))
