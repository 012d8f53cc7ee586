"""Proves a random history in this process."""

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
        history: the history.
        server: the server for the databases of PostgreSQL.
        only: the ids of the revisions to prove; empty for all revisions.
        on: the engines.

    Returns:
        The result of the proof.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(processes, "prove", prove_here),
        patch.object(sys, "path", sys.path.copy()),
    ):
        target = target_of(str(write(history, Path(folder) / "project")), None, None, None)
        return prove_history(target, Verification(on), select=(lambda _: only) if only else None, server=server)


def is_caught(mutation: Mutation, history: History, found: Verification) -> bool:
    """Return whether the fault of the last revision is found with the right severity, on each engine that can show it.

    Args:
        mutation: the kind of fault.
        history: the history with the fault.
        found: the result of the proof on some engines.

    Returns:
        Whether the fault is found on each proved engine that can show it.
    """
    last = id_of(len(history) - 1)
    graves = {mutation.severity, KINDS["V509"].severity} if "V509" in mutation.ids else {mutation.severity}
    fitting = [each for each in found.findings if each.id in mutation.ids and each.severity in graves]
    engines_ = {each.engine for each in fitting if each.revision in (last, "")}
    asked = [engine for engine in mutation.engines if engine in found.engines]
    return "" in engines_ or (bool(asked) and engines_.issuperset(asked))
