"""Patches that break a promise about the snapshot."""

from __future__ import annotations

from tests.mutations.patch import Patch

_SNAPSHOT = "antarest/migration/snapshot"
_WRITES = "antarest/migration/branches/snapshots/writer.py"
_TESTS = "integration/scratch/test_snapshot.py"
_USES = "integration/scratch/test_snapshot_uses.py"
_EDGES = "integration/scratch/test_snapshot_edges.py"
_DATES = f"{_EDGES}::test_a_date_that_is_not_always_the_same_has_no_snapshot"
_DOUBT = f"{_TESTS}::test_with_a_doubt_every_revision_runs"
_UNFIT = f"{_TESTS}::test_a_history_that_makes_something_else_each_time_has_no_snapshot"

THE_SNAPSHOT = (
    Patch(
        "The snapshot: the next numbers are not in it",
        f"{_SNAPSHOT}/sqlite.py",
        "    yield from _sequence_rows(connection, exclude)\n",
        "",
        [f"{_TESTS}::test_a_new_database_is_as_if_the_revisions_had_run[sqlite]"],
    ),
    Patch(
        "The snapshot: it is loaded although a revision was edited",
        f"{_SNAPSHOT}/loading.py",
        "if digest_of(with_lf(content)) != snapshot.revisions[id_]:",
        "if False:",
        [f"{_DOUBT}[sqlite-revision table has changed since it was written]"],
    ),
    Patch(
        "The snapshot: it is loaded although it was edited",
        f"{_SNAPSHOT}/file.py",
        'or digest.decode(errors="replace") != digest_of(rest)',
        "",
        [f"{_DOUBT}[sqlite-its file was edited or merged by hand]"],
    ),
    Patch(
        "The snapshot: it is loaded into a database that is not empty",
        f"{_SNAPSHOT}/loading.py",
        "if found := present(connection, exclude):",
        'if found := "":',
        [f"{_DOUBT}[sqlite-the database is not empty: it has table other]"],
    ),
    Patch(
        "The snapshot: it is loaded by an older engine",
        f"{_SNAPSHOT}/loading.py",
        "if _numbers(version) < _numbers(snapshot.proved[0]):",
        "if False:",
        [f"{_DOUBT}[sqlite-and it was proved ]"],
    ),
    Patch(
        "The snapshot: it is loaded by a server on which it was not proved",
        f"{_SNAPSHOT}/loading.py",
        "if major not in snapshot.proved:",
        "if False:",
        [f"{_DOUBT}[postgresql-and it was proved ]"],
    ),
    Patch(
        "The snapshot: revisions that name a schema follow the search path",
        f"{_SNAPSHOT}/loading.py",
        "if snapshot.home and snapshot.home != home:",
        "if False:",
        [f"{_TESTS}::test_it_follows_the_search_path_as_its_revisions_do"],
    ),
    Patch(
        "The snapshot: what cannot be made again is written all the same",
        _WRITES,
        "if read != snapshot or different or not is_same:",
        "if False:",
        [f"{_TESTS}::test_what_statements_cannot_make_again_is_not_written"],
    ),
    Patch(
        "The snapshot: one that lacks a revision counts as right",
        "antarest/migration/branches/snapshots/__init__.py",
        "missing = [id_ for id_ in project.history.order if id_ not in known]",
        "missing = list[str]()",
        [f"{_TESTS}::test_it_is_written_from_the_one_before_it_and_is_the_same_each_time[sqlite]"],
    ),
    Patch(
        "The snapshot: an upgrade goes beyond its target",
        f"{_SNAPSHOT}/loading.py",
        "snapshot.revisions.keys() - history.applied(targets)",
        "snapshot.revisions.keys() - {*history.order}",
        [f"{_TESTS}::test_a_target_below_the_snapshot_is_reached_by_the_revisions[sqlite]"],
    ),
    Patch(
        "The snapshot: the load is committed on its own",
        "antarest/migration/run/segments.py",
        "if steps and stands_alone(steps[0]):",
        "if begun or (steps and stands_alone(steps[0])):",
        [f"{_TESTS}::test_revisions_after_the_snapshot_run_in_the_same_transaction[sqlite]"],
    ),
    Patch(
        "The snapshot: a random value is in it",
        _WRITES,
        "different = unequal(facts, self._facts(other))",
        "different = list[str]()",
        [f"{_UNFIT}[sqlite-two runs of revision odd differ: the rows of t]"],
    ),
    Patch(
        "The snapshot: the date of the run is in it",
        _WRITES,
        "if dated := [name for name in new if _names(days, facts.get(name))]:",
        "if dated := list[str]():",
        [f"{_UNFIT}[sqlite-revision odd puts the date of today into the rows of d]"],
    ),
    Patch(
        "The snapshot: a revision may depend on more than its text",
        f"{_SNAPSHOT}/outside.py",
        'return next(_reached(parse(content)), "")',
        'return ""',
        [f"{_UNFIT}[sqlite-revision odd depends on more than its file: import os]"],
    ),
    Patch(
        "The snapshot: a change of the version table is lost",
        f"{_SNAPSHOT}/facts.py",
        "reflect(connection, exclude=())",
        "reflect(connection, exclude=exclude)",
        [f"{_UNFIT}[sqlite-statements cannot make .*alembic_version.* again]"],
    ),
    Patch(
        "The snapshot: rows get other row ids",
        f"{_SNAPSHOT}/sqlite.py",
        "        columns = [row_id, *columns]\n",
        "        pass\n",
        [f"{_TESTS}::test_row_ids_are_those_of_the_revisions"],
    ),
    Patch(
        "The snapshot: it has the moments of one time zone",
        "antarest/migration/branches/snapshots/grounds.py",
        '_ZONE = "Asia/Kathmandu"',
        '_ZONE = "UTC"',
        [f"{_TESTS}::test_a_moment_that_depends_on_the_time_zone_has_no_snapshot"],
    ),
    Patch(
        "The snapshot: it is loaded beside another schema",
        f"{_SNAPSHOT}/postgresql.py",
        '    WHERE {OURS.format(oid="o.oid"',
        "    WHERE o.namespace = 'public'::regnamespace AND {OURS.format(oid=\"o.oid\"",
        [f"{_TESTS}::test_it_is_not_loaded_beside_a_table_of_another_schema"],
    ),
    Patch(
        "The snapshot: a revision depends on the current user",
        f"{_SNAPSHOT}/outside.py",
        "(found := _SQL.search(node.value))",
        'not (found := [""])',
        [f"{_UNFIT}[sqlite-revision odd depends on more than its file: current_user]"],
    ),
    Patch(
        "The snapshot: git changes the line ends of a revision",
        f"{_SNAPSHOT}/loading.py",
        "digest_of(with_lf(content))",
        "digest_of(content)",
        [f"{_EDGES}::test_line_ends_of_windows_are_no_change[sqlite]"],
    ),
    Patch(
        "The snapshot: git changes the line ends of its file",
        f"{_SNAPSHOT}/file.py",
        "            content = with_lf(content)\n",
        "            pass\n",
        [f"{_EDGES}::test_line_ends_of_windows_are_no_change[sqlite]"],
    ),
    Patch(
        "The snapshot: it has the year or the month of its run",
        _WRITES,
        "            self._refuse_clock(before, new)\n",
        "",
        [f"{_DATES}[odd reads the clock, and writes the rows of d]"],
    ),
    Patch(
        "The snapshot: it has the dates of one order of day and month",
        "antarest/migration/branches/snapshots/grounds.py",
        '_DATES = "ISO, DMY"',
        '_DATES = "ISO, MDY"',
        [f"{_DATES}[odd differ]"],
    ),
    Patch(
        "The snapshot: it is not loaded beside the schema of the version table",
        "antarest/migration/branches/snapshots/dump.py",
        "if each in schemas else each",
        "if not each else each",
        [f"{_EDGES}::test_the_version_table_may_lie_in_another_schema[]"],
    ),
    Patch(
        "The snapshot: a second run on a scratch database reads its revision from another schema",
        "antarest/migration/scratch/runner.py",
        'schema = self.options.get("version_table_schema") or ""',
        "schema = self.version_schema",
        [f"{_EDGES}::test_the_version_table_may_lie_in_another_schema[]"],
    ),
    Patch(
        "The snapshot: scratch databases run every revision",
        "antarest/migration/scratch/migrated.py",
        "        return load_snapshot(project, connection, revisions)\n",
        "        return 0\n",
        [f"{_USES}::test_a_scratch_database_at_head_loads_it[sqlite-compared]"],
    ),
    Patch(
        "The snapshot: the cache has it too",
        "antarest/migration/scratch/migrated.py",
        "            if not loaded:  #",
        "            if True:  #",
        [f"{_USES}::test_the_cache_never_has_a_database_that_was_loaded"],
    ),
)
