"""The histories under `tests/histories/verify`: their expected findings, and functions that prove them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from antarest.migration.scratch.databases import EngineName, PostgresServer
from antarest.migration.verify import Verification, processes, prove_history
from antarest.migration.verify.clones import Clones
from antarest.migration.verify.env_reader import target_of
from antarest.migration.verify.findings.proof import Proof
from antarest.migration.verify.proving.prover import ProofPlan, Prover
from antarest.migration.verify.target import Target
from tests.support.projects.checkouts import ROOT, Result

HISTORIES = ROOT / "tests" / "histories" / "verify"
OTHERS = ROOT / "tests" / "histories" / "foreign"
BOTH: tuple[EngineName, ...] = ("sqlite", "postgresql")
A, B, C = "a00000000000", "b00000000000", "c00000000000"
LONG_ID = f"b{'0' * 39}"
Verify = Callable[..., Result]  # the type of the fixture "verify"
Findings = set[tuple[str, str, str]]  # id, revision ("" for the history), engine ("" for both together)


def _on(id_: str, revision: str, *engines: str) -> Findings:
    return {(id_, revision, engine) for engine in engines or ("",)}


@dataclass(frozen=True)
class Foreign:
    """The history of another project: how it is proved, and what the proof must report.

    Attributes:
        errors: the expected findings.
        notes: the expected notes, without those that nearly every history has.
        gaps: the revision and engine of each expected gap in the proof.
        revisions: the revision to prove; empty for all revisions.
        metadata: the metadata that the command names.
        is_on_path: whether the folder of the project is on the search path.
    """

    errors: Findings = field(default_factory=set)
    notes: Findings = field(default_factory=set)
    gaps: set[tuple[str, str]] = field(default_factory=set)
    revisions: str = ""
    metadata: str = ""
    is_on_path: bool = False


_POSTGRESQL = "postgresql"
_LONG = "2026_01_05_1200_add_the_column_a_to_t"
EXPECTED: dict[str, Findings] = {
    # ---- 1: the graph
    "two_heads": _on("V101", ""),
    "missing_predecessor": _on("V102", ""),
    "duplicate_id": _on("V102", ""),
    # PostgreSQL itself reports the effect.
    "id_of_40_characters": _on("V103", LONG_ID) | _on("V301", LONG_ID, _POSTGRESQL),
    "name_of_64_characters": _on("V104", B),
    "import_that_fails": _on("V106", ""),
    # ---- 2: the file
    "live_model_imported": _on("V201", A),
    "row_loop": _on("V202", B),
    # ---- 3: up
    "alter_column_on_sqlite": _on("V301", B, "sqlite"),
    "boolean_default_zero_on_postgresql": _on("V301", B, _POSTGRESQL),
    "cast_on_sqlite": _on("V301", "b10000000000", "sqlite"),
    "unnamed_constraint": _on("V301", B, "sqlite"),
    "not_null_on_filled_column": _on("V302", B, *BOTH),
    "not_null_on_filled_table": _on("V302", B, *BOTH),
    # A run refuses the second connection, through which the revision looks.
    "one_run_hides_table": _on("V303", "", _POSTGRESQL) | _on("V302", B, _POSTGRESQL),
    "one_run_fails": _on("V304", "", _POSTGRESQL),
    "second_upgrade_differs": _on("V305", B, *BOTH) | _on("V310", B, *BOTH),  # It tests whether there are rows.
    # ---- 4: down
    "check_outlives_its_column": _on("V401", B, "sqlite"),
    "downgrade_misnames_constraint": _on("V401", B, *BOTH),
    "drops_in_wrong_order": _on("V401", A, _POSTGRESQL),
    "not_null_comes_back": _on("V402", B, *BOTH),
    "cascade_lost_on_the_way_back": _on("V403", B, *BOTH),
    "downgrade_forgets_default": _on("V403", B, *BOTH),
    "dropped_index_stays_away": _on("V403", B, *BOTH),
    "downgrade_forgets_index": _on("V404", B, *BOTH),
    "leftover_enum": _on("V404", B, _POSTGRESQL),
    "swapped_column_order": _on("V405", B, *BOTH),
    # ---- 5: rows
    "rows_lost_in_move": _on("V501", B, *BOTH),
    "undeclared_loss_up": _on("V501", B, *BOTH),
    "undeclared_loss_down": _on("V502", B, *BOTH),
    "undeclared_loss_in_a_plain_project": _on("V502", A, *BOTH),
    "declared_loss_not_seen": _on("V503", B, *BOTH),
    "declared_loss_of_nothing": _on("V503", B, *BOTH),
    "rows_added_by_round_trip": _on("V504", B, *BOTH),
    "values_changed_by_round_trip": _on("V504", B, *BOTH) | _on("V603", B),  # upper() of SQLite knows only ASCII
    "dangling_rows": _on("V505", B, "sqlite") | _on("V603", B),
    "foreign_key_not_validated": _on("V505", B, _POSTGRESQL),
    "foreign_key_to_no_key": _on("V301", B, _POSTGRESQL) | _on("V505", B, "sqlite"),
    "rebuild_loses_autoincrement": _on("V506", B, "sqlite"),
    # From that revision on, the engines differ too.
    "rebuild_loses_trigger": _on("V506", B, "sqlite") | _on("V601", B),
    "no_row_possible": _on("V507", A, *BOTH),
    "sequence_behind_copied_rows": _on("V508", B, _POSTGRESQL),
    "loss_only_in_between": _on("V501", B, _POSTGRESQL) | _on("V501", C, *BOTH),
    # ---- 6: parity
    "engines_differ": _on("V601", B),
    "delete_refused_by_one_engine": _on("V601", A) | _on("V602", ""),
    "like_knows_no_case": _on("V602", ""),
    "like_knows_no_case_without_a_way_back": _on("V602", ""),
    "sqlite_only_default": _on("V601", B),
    "full_text_search": _on("V601", A),  # and no loss in the tables in which FTS5 keeps its data
    # ---- 7: the models
    "models_drift": _on("V701", "", *BOTH),
    "models_not_imported": _on("V702", "", *BOTH),
    "model_not_registered": _on("V703", ""),
    "default_of_one_engine": _on("V704", "", "sqlite"),
    # ---- 8: impact
    "limit_exceeded": _on("V801", A, *BOTH),
}
FOREIGN: dict[str, Foreign] = {
    # ---- it comes to its end
    "alternative_bases": Foreign(_on("V404", "b2", *BOTH), _on("V101", "")),
    "asks_for_its_settings": Foreign(),
    "calls_of_sqlalchemy_1": Foreign(_on("V301", "r2", *BOTH) | _on("V404", "r3", *BOTH)),
    "date_becomes_number": Foreign(_on("V504", "a2", *BOTH) | _on("V603", "a2"), _on("V509", "a2", _POSTGRESQL)),
    "error_caught": Foreign(_on("V310", "r2", "sqlite") | _on("V302", "r2", _POSTGRESQL)),
    "enum_type_missing_or_made_twice": Foreign(
        _on("V301", "r2", _POSTGRESQL) | _on("V301", "r3", _POSTGRESQL) | _on("V404", "r4", *BOTH),
        gaps={("", _POSTGRESQL)},
    ),
    "enum_value_added": Foreign(_on("V403", "a2", _POSTGRESQL)),
    "fails_in_python": Foreign(
        _on("V301", "r2", *BOTH) | _on("V404", "r3", *BOTH), gaps={("", "sqlite"), ("", _POSTGRESQL)}
    ),
    "folders_by_year": Foreign(),
    "id_too_long": Foreign(
        _on("V103", _LONG) | _on("V301", _LONG, _POSTGRESQL) | _on("V404", "r3", *BOTH), gaps={("", _POSTGRESQL)}
    ),
    "json_column": Foreign(_on("V302", "a2", *BOTH)),
    "jsonb_on_old_sqlite": Foreign(),
    "no_way_back": Foreign(_on("V302", "r2", *BOTH), _on("V406", "r1") | _on("V406", "r2")),
    # The range contains only r3, but r2 stops the proof.
    "not_proved_is_not_zero": Foreign(_on("V301", "r2", _POSTGRESQL), revisions="r3", gaps={("", _POSTGRESQL)}),
    "number_becomes_text": Foreign(_on("V601", "r2"), _on("V509", "r2", "sqlite")),
    "one_run_only": Foreign(_on("V306", "a2", _POSTGRESQL) | _on("V404", "a3", *BOTH)),
    "package_hides_stdlib": Foreign(),
    "refuses_rows": Foreign(_on("V302", "r2", *BOTH), _on("V509", "r3", *BOTH) | _on("V406", "r5")),
    "refuses_to_go_back": Foreign(notes=_on("V406", "r1") | _on("V406", "r2")),
    "second_connection": Foreign(),
    "table_as_select": Foreign(_on("V601", "a2")),
    "table_dropped_from_elsewhere": Foreign(_on("V307", "r1", *BOTH), gaps={("", "sqlite"), ("", _POSTGRESQL)}),
    "table_read_from_elsewhere": Foreign(_on("V307", "r1", *BOTH), gaps={("", "sqlite"), ("", _POSTGRESQL)}),
    "tables_from_elsewhere": Foreign(_on("V307", "r1", *BOTH), gaps={("", "sqlite"), ("", _POSTGRESQL)}),
    "writes_beside": Foreign(),
    # ---- no false alarm
    "awkward_dates": Foreign(notes=_on("V509", "r2", *BOTH)),
    "check_dropped_by_name": Foreign(_on("V402", "a2", *BOTH)),
    "check_dropped_on_one_engine": Foreign(),
    "check_replaced": Foreign(_on("V403", "a2", *BOTH) | _on("V404", "a2", *BOTH)),
    "check_replaced_by_another": Foreign(_on("V504", "r2", *BOTH)),
    "convention_in_package": Foreign(notes=_on("V509", "a2", *BOTH), is_on_path=True),
    "dates_as_text": Foreign(notes=_on("V509", "r2", "sqlite")),
    "differs_from_before": Foreign(revisions="r2"),
    "equal_keys": Foreign(notes=_on("V509", "a2", *BOTH)),
    "gaps_filled": Foreign(notes=_on("V504", "r2", *BOTH)),
    "healed_later": Foreign(notes=_on("V601", "r1")),
    "json_compared": Foreign(notes=_on("V406", "r2")),
    "json_in_bytes": Foreign(_on("V601", "r2"), _on("V509", "r2", _POSTGRESQL)),
    "json_in_text": Foreign(notes=_on("V509", "a2", *BOTH)),
    "json_key_moved": Foreign(),
    "json_lists": Foreign(notes=_on("V509", "r2", *BOTH)),
    "json_key_renamed": Foreign(),
    "parsed_json": Foreign(notes=_on("V509", "r2", *BOTH)),
    "looks_through_its_engine": Foreign(_on("V304", "", _POSTGRESQL)),  # Both revisions are one transaction.
    "makes_a_role": Foreign(),
    "random_values": Foreign(),
    "range_blames_first": Foreign(revisions="r2"),
    "right_missing_from_before": Foreign(revisions="r2"),
    "shortened_names": Foreign(notes=_on("V509", "a2", *BOTH)),
    "text_read_as_numbers": Foreign(notes=_on("V509", "r2", *BOTH)),
    "text_becomes_enum": Foreign(notes=_on("V405", "r2", _POSTGRESQL)),
    "uuids_written_anew": Foreign(notes=_on("V509", "r2", *BOTH)),
    # ---- what is easily overlooked
    "cast_without_way_back": Foreign(_on("V511", "r2", *BOTH), _on("V406", "r2") | _on("V406", "r3")),
    "deferred_rows_committed_each": Foreign(),
    "deferred_rows_in_one_run": Foreign(_on("V308", "r3", _POSTGRESQL)),
    "foreign_keys_enforced": Foreign(_on("V501", "r2", "sqlite"), _on("V406", "r2")),
    "foreign_keys_switched_off": Foreign(notes=_on("V406", "r2")),
    "foreign_keys_of_all_kinds": Foreign(
        notes=_on("V706", "r2", *BOTH) | _on("V707", "r3", *BOTH) | _on("V708", "r4", *BOTH) | _on("V709", "r5", *BOTH)
    ),
    "index_on_long_text": Foreign(notes=_on("V510", "r2", _POSTGRESQL) | _on("V510", "r3", _POSTGRESQL)),
    "merge_step_back": Foreign(notes=_on("V107", "m")),
    "models_not_imported": Foreign(
        _on("V702", "", *BOTH), _on("V705", "r1", _POSTGRESQL), metadata="few_models:metadata"
    ),
    "objects_stay": Foreign(
        _on("V404", "r3", _POSTGRESQL) | _on("V403", "r4", _POSTGRESQL), _on("V404", "r2", _POSTGRESQL)
    ),
    "differs_under_a_new_name": Foreign(_on("V601", "r1")),
    "key_named_only_in_revision": Foreign(
        notes=_on("V701", "", *BOTH) | _on("V705", "r1", _POSTGRESQL),
        metadata="named_models:metadata",
        is_on_path=True,
    ),
    "key_named_otherwise": Foreign(
        _on("V701", "", *BOTH), _on("V705", "r1", _POSTGRESQL), metadata="otherwise_named:metadata", is_on_path=True
    ),
    "columns_exchanged": Foreign(_on("V512", "r2", *BOTH)),
    "validated_later": Foreign(),
    "key_to_another_table": Foreign(_on("V505", "r2", *BOTH) | _on("V505", "r3", *BOTH)),
    "json_key_lost": Foreign(_on("V504", "r2", *BOTH)),
    "package_imported": Foreign(_on("V201", "r1"), is_on_path=True),
    "rights_stay": Foreign(_on("V407", "r2", _POSTGRESQL)),
    "stored_label": Foreign(
        _on("V704", "r2", *BOTH), _on("V705", "r1", _POSTGRESQL), metadata="stored_models:metadata"
    ),
    # The models draw numbers from a sequence (the error), and have a table (the note).
    "no_grant": Foreign(
        _on("V705", "r1", _POSTGRESQL), _on("V705", "r1", _POSTGRESQL), metadata="grant_models:metadata"
    ),
    "key_over_old_rows": Foreign(_on("V302", "r2", *BOTH)),
    "keys_renumbered": Foreign(_on("V504", "r2", *BOTH)),
    "numbered_by_order": Foreign(_on("V603", "r2")),  # PostgreSQL sorts NULLs last.
    "rows_differ_between_engines": Foreign(_on("V603", "r2")),
    "unknown_label": Foreign(
        _on("V704", "", *BOTH),
        _on("V705", "r1", _POSTGRESQL),
        metadata="label_models:metadata",
        gaps={("", _POSTGRESQL)},
    ),
    "attribute_dropped": Foreign(_on("V501", "r2", _POSTGRESQL) | _on("V601", "r1")),
    "upgrade_loses": Foreign(_on("V501", "r2", *BOTH)),
}
LINTS = {"V706", "V707", "V708", "V709"}  # about foreign keys, for which most histories here have no index
USUAL = {"V107", *LINTS}  # the notes that a history without a fault may have: every merge has V107
EVERYWHERE = {"V202", "V502", *LINTS}  # the notes that nearly every foreign history has
NOTES = {  # the histories whose findings are only notes
    "row_loop",
    "swapped_column_order",
    "undeclared_loss_in_a_plain_project",
    "declared_loss_not_seen",
    "no_row_possible",
}
WITHOUT_HISTORY = {"V105", "V309", "V901"}  # They need a repository or a snapshot, and other tests have these.
CLEAN_BEGINNING = "clean_rename/versions/a00000000000_create_river.py"
CLEAN = sorted(path.name for path in HISTORIES.glob("clean_*"))


def prove_foreign(history: str, server: PostgresServer) -> Verification:
    """Prove the history of another project, whose `alembic.ini` is missing or has no settings of ours."""
    asked, folder = FOREIGN[history], OTHERS / history
    ini = folder / "alembic.ini"
    sys.path[:0] = [str(folder)] if asked.is_on_path else []
    versions = None if ini.is_file() else next(each for each in folder.rglob("versions") if each.is_dir())
    target = target_of(str(ini), str(versions) if versions else None, asked.metadata or None, None)
    found = Verification(BOTH)
    select = (lambda _target: {asked.revisions}) if asked.revisions else None
    return prove_history(target, found, select=select, server=server)


def ini_of(history: str) -> Path:
    """Return the `alembic.ini` of a history."""
    return HISTORIES / history / "alembic.ini"


def prove(history: str, server: PostgresServer) -> Verification:
    """Prove a history on both engines, in this process.

    Many histories begin with the same revision. It is proved only in histories without a fault.
    """
    target = target_of(str(ini_of(history)), None, None, None)
    select = None if history in CLEAN else _without_the_usual_beginning
    return prove_history(target, Verification(BOTH), select=select, server=server)


def _without_the_usual_beginning(target: Target) -> set[str]:
    usual = (HISTORIES / CLEAN_BEGINNING).read_bytes()
    found = {id_ for id_ in target.history.order if target.history[id_].path.read_bytes() != usual}
    return found or {*target.history.order}


def prove_here(plan: ProofPlan, names: Sequence[EngineName], server: PostgresServer | None = None) -> Iterator[Proof]:
    """Prove a history like `processes.prove`, but in this process, since starting processes takes longer."""
    for name in names:
        with processes.location_for(name, server) as location, closing(Clones(location)) as clones:
            yield from Prover(plan.for_another_process(name), clones).prove()


def assert_in_markdown(page: str) -> None:
    """Assert that the Markdown page has the findings of `cast_on_sqlite`."""
    lines = page.splitlines()
    assert lines[0].startswith("**1 finding, 1 note, 1 not proved: 4 revisions on SQLite and PostgreSQL in ")
    assert "Not checked: the models: no metadata is named by [antarest] or --metadata." in lines
    assert '| V301 | b10000000000 | SQLite | unrecognized token: ":" |' in page
    assert re.search(r"^\| b10000000000 \| PostgreSQL \| \d\.\d\d \| .*\| river: \d+ \|$", page, re.MULTILINE)
    assert len({line.count("|") for line in lines if line.startswith(("| V", "| id"))}) == 1


def revisions(done: Result) -> list[str]:
    """Return the revisions for which a proof has printed a line."""
    return re.findall(r"^([0-9a-f]{12}|[ar]\d) ", done.out, re.MULTILINE)
