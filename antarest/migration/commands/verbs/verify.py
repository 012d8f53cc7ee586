"""The command `db.verify`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...branches import checks
from ...database.signals import stoppable
from ...errors.base import EXIT_DONE, Hint
from ...errors.baseline import FILE_NAME
from ...errors.facts.configuration import UsageError
from ...errors.facts.refusal import NotAllProved, VerifyFailed
from ...errors.revision import BASE
from ...errors.settings.whole_file import write_whole
from ...errors.text import count, fields
from ...scratch.databases import EngineName
from ...verify import Verification, prove_history
from ...verify.accepted import accept, apply_baseline
from ...verify.earlier.proofs import user_folder
from ...verify.env_reader import target_of
from ...verify.findings.proof import Proof
from ...verify.git_revisions import earlier_targets, new_revisions
from ...verify.start import read_start
from ...verify.target import Target
from ..boundary import CommandContext
from ..rendering import proof, proof_table
from ..rendering.proof_files import as_annotations, as_comment, as_json, as_markdown, as_sarif
from ..rendering.proof_groups import NAMES
from ..rendering.proof_page import as_html

_ENGINES: dict[str, tuple[EngineName, ...]] = {
    "both": ("sqlite", "postgresql"),
    "sqlite": ("sqlite",),
    "postgresql": ("postgresql",),
}
_FORMS: dict[str, Callable[[Verification, Target], str]] = {
    "json": as_json,
    "markdown": lambda found, _target: as_markdown(found),
    "comment": as_comment,
    "sarif": as_sarif,
    "html": as_html,
}
_ROWS = "3"
_VERB = "inv db.verify"


def verify(
    context: CommandContext,
    *,
    engine: str | None = None,
    revisions: str | None = None,
    new: bool = False,
    rows: str | None = None,
    notes: bool = False,
    github: bool = False,
    versions: str | None = None,
    metadata: str | None = None,
    rows_from: str | None = None,
    start: str | None = None,
    run_env: bool = False,
    env: Sequence[str] | None = None,
    since: str | None = None,
    keep: bool = False,
    **files: str | None,
) -> int:
    """Prove every revision on both engines, up and down, with rows in the tables; on any Alembic project."""
    _refuse_missing_folders(files)
    context.again = Hint("Prove it again", _VERB)
    target = replace(target_of(context.project_name, versions, metadata, rows_from), start=read_start(start))
    number = _number(rows or _ROWS)
    found = Verification(_engines(engine, target.project.engines), earlier=user_folder())
    if run_env or env:
        target = replace(target, run_env=_variables(env or (), run_env=run_env), unknown=())
    select = _selection(revisions, new=new)
    on_proof = _Printer(context, found).print_proof
    context.print(proof.head(found, target))
    with stoppable(), earlier_targets(target, since) as earlier:  # SIGTERM must delete the databases too.
        try:
            prove_history(target, found, select=select, rows=number, since=earlier, keep=keep, on_proof=on_proof)
        finally:
            context.progress.stop()
            apply_baseline(target.project, found)
            if found.is_complete or found.proofs:  # If nothing was proved, the error gives the reason.
                context.print(proof.summary(found, target, sys.stdout, notes=notes))
                _report(context, found, target, files, github=github)
    return _end(found)


def _selection(revisions: str | None, *, new: bool) -> Callable[[Target], Collection[str]] | None:
    if new and revisions:
        raise _usage("--new and --revisions cannot be given together", "--new")
    return new_revisions if new else _between(revisions) if revisions else None


def _number(rows: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", rows):
        raise _usage(f"--rows must be a whole number from 1 to 9999999, not {rows!r}", f"--rows={_ROWS}")
    return int(rows)


def _variables(given: Sequence[str], *, run_env: bool) -> dict[str, str]:
    """Return the environment variables for `env.py`, which are given as `NAME=VALUE`."""
    if not run_env:
        raise _usage("--env is only for --run-env", "--run-env --env=NAME=VALUE")
    if wrong := [each for each in given if not re.match(r"\w+=", each)]:
        raise _usage(f"--env must be NAME=VALUE, not {wrong[0]!r}", "--run-env --env=NAME=VALUE")
    return dict(each.split("=", 1) for each in given)


def _end(found: Verification) -> int:
    if found.errors or found.not_proved:
        error = VerifyFailed(len(found.errors)) if found.errors else NotAllProved(len(found.not_proved))
        error.add_note(proof.tracebacks(found))  # `--debug` prints this note.
        raise error
    return EXIT_DONE


def baseline(context: CommandContext, *, engine: str | None = None, rows_from: str | None = None) -> int:
    """Accept the faults that an old history has on the day of adoption. The checks then fail only for new faults."""
    project = context.project
    path = project.root / FILE_NAME
    if path.exists():
        hint = Hint(f"To accept newer faults too, delete {path} first.")
        raise UsageError("there is a baseline already", hint)
    found = Verification(_engines(engine, project.engines))
    context.print(fields([("project", str(project.ini))]))
    with stoppable():
        context.progress.show("proving the history")
        prove_history(target_of(context.project_name, None, None, rows_from), found)
    context.progress.show("comparing the models with the migrations")
    drift = [each.fact for each in checks.drift(project, context.db)] if project.has_metadata else []
    context.progress.stop()
    made = accept(project, found, drift)
    write_whole(path, made.as_json().encode())
    losses = sum(len(items) for of in made.losses.values() for items in of.values())
    context.say(
        ("baseline", str(path)),
        ("accepts", f"{count(len(made.findings), 'finding')}, {count(losses, 'undeclared loss', 'undeclared losses')}"),
        ("", f"{count(len(drift), 'difference')} between the models and the migrations"),
    )
    return EXIT_DONE


def _engines(name: str | None, own: Sequence[str]) -> tuple[EngineName, ...]:
    """Return the engine that the flag `--engine` names; without the flag, the engines of the project, or both."""
    if name and name not in _ENGINES:
        raise _usage(f"--engine must be one of {', '.join(_ENGINES)}, not {name!r}", "--engine=both")
    return _ENGINES[name] if name else _ENGINES.get("".join(own), _ENGINES["both"])


def _refuse_missing_folders(files: Mapping[str, str | None]) -> None:
    """Refuse a file for a report, if its folder is missing. A proof can take long, so check this first."""
    for form, path in files.items():
        if path and (Path(path).is_dir() or not Path(path).parent.is_dir()):
            raise _usage(f"--{form} must be a file in a folder that exists, not {path!r}", f"--{form}=FILE")


class _Printer:
    """Prints the line of each revision when all engines have proved it. A terminal also shows unfinished lines."""

    _AHEAD = 8  # the most unfinished lines on a terminal; one engine is faster than the other

    def __init__(self, context: CommandContext, found: Verification) -> None:
        self._context = context
        self._found = found
        self._printed = 0

    def print_proof(self, proof: Proof) -> None:
        """Print the lines of the revisions that all engines have proved, now that `proof` is ready."""
        found, lines = self._found, [*self._found.revisions, *([""] if self._found.is_whole else [])]
        for line in lines[self._printed :]:
            if not all((line, engine) in found.proofs for engine in found.engines):
                break
            self._context.progress.stop()
            if not self._printed:
                self._context.print(proof_table.head(found))
            self._context.print(proof_table.line(found, line, sys.stdout))
            self._printed += 1
        left = lines[self._printed : self._printed + self._AHEAD]
        begun = [line for line in left if any((line, engine) in found.proofs for engine in found.engines)]
        shown = [*([] if self._printed else proof_table.head(found).splitlines())] if begun else []
        shown += [proof_table.line(found, line, sys.stdout) for line in begun]
        shown.append(f"{NAMES[proof.engine]} has proved {proof.revision or 'the whole'}")
        self._context.progress.block(shown, proof_table.width(found))


def _report(
    context: CommandContext, found: Verification, target: Target, files: Mapping[str, str | None], *, github: bool
) -> None:
    for line in as_annotations(found, target) if github else ():
        context.print(line)
    for form, path in files.items():
        _write(form, path, found, target)


def _write(form: str, path: str | None, found: Verification, target: Target) -> None:
    try:
        if path:
            write_whole(Path(path), _FORMS[form](found, target).encode())
    except OSError as error:
        raise _usage(f"{path} cannot be written: {error.strerror}", f"--{form}=FILE") from error


def _usage(message: str, right: str) -> UsageError:
    return UsageError(message, Hint("Write for example", f"{_VERB} {right}"))


def _between(revisions: str) -> Callable[[Target], Collection[str]]:
    """Return a function that selects the revisions in a range: `A:B`, `A:`, `:B`, or only `A`. A and B are included."""

    def select(target: Target) -> Collection[str]:
        history = target.history
        first, colon, last = revisions.partition(":")
        if not colon:
            chosen = history.resolve(revisions)
            return [] if chosen == BASE else [chosen]
        if last == BASE:
            return []
        upto = history.applied([history.resolve(last)]) if last else frozenset(history.order)
        if not first or first == BASE:
            return upto
        built_on = {history.resolve(first)} & upto
        for id_ in history.in_order(upto):
            if not built_on.isdisjoint(history[id_].predecessors):
                built_on.add(id_)
        return built_on

    def select_some(target: Target) -> Collection[str]:
        if not (chosen := select(target)):
            raise _usage(f"--revisions={revisions} names no revision", "--revisions=A:B")
        return chosen

    return select_some
