"""The exact output: one example of each kind of result."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy.exc import DBAPIError

from antarest.migration.branches.checks import Check, CheckFailure
from antarest.migration.branches.writing import Written
from antarest.migration.commands.rendering import results
from antarest.migration.errors.base import Hint
from antarest.migration.errors.facts.project import InvalidProject, OutOfReach, UnknownRevision
from antarest.migration.errors.loss import Loss
from antarest.migration.errors.rendering import render_error, render_error_json
from antarest.migration.errors.revision import Revision
from antarest.migration.errors.text import count, fields, reason
from antarest.migration.run.request import RunOutcome
from antarest.migration.workflow.plan import Drop, PlannedStep, RollbackPlan
from antarest.migration.workflow.reset import ResetPlan
from antarest.migration.workflow.status import EDITED, HistoryEntry, Status

STUDY = Revision("a1b2c3d4e5f6", (), "create studies", Path("a.py"))
LOSSY = {"upgrade": {"study.tags": "order"}}
TAGS = Revision("b1b2c3d4e5f6", ("a1b2c3d4e5f6",), "move tags", Path("b.py"), lossy=LOSSY)
DATABASE = "postgresql://antarest:***@db1:5432/antarest"
FILES = "/srv/alembic.ini", "/srv/application.yaml"
AT_HEAD = Status("PostgreSQL 15.18", DATABASE, (TAGS.id,), (TAGS.id,), (), 2, (), True, ())


def shown(text: str) -> str:
    return dedent(text).strip("\n")


# ---- errors


def test_an_error() -> None:
    elsewhere = "Branch feature/reserves has it (3 commits ahead of this checkout)."
    error = UnknownRevision("c0ffee123456", DATABASE, ["80fdf2408ede"], 89, "alembic/versions", elsewhere)

    assert render_error(error, io.StringIO()) == dedent("""\
        error db.E201: the database is at revision c0ffee123456, which this checkout does not contain
          database   postgresql://antarest:***@db1:5432/antarest
          this code  head is 80fdf2408ede, 89 revisions in alembic/versions
        Nothing was changed.
        Branch feature/reserves has it (3 commits ahead of this checkout).
          Make the database match this checkout:   inv db.sync
    """)


def test_hints_that_are_questions_or_no_commands() -> None:
    hints = [Hint("Is it there?", "ls -l"), Hint("Look again", "inv db.status"), Hint("Write $${...} for the text")]

    error = InvalidProject(Path("/a/alembic.ini"), "it is empty", *hints)

    assert render_error(error, io.StringIO()) == dedent("""\
        error db.E210: alembic.ini cannot be used: it is empty
          file  /a/alembic.ini
        Nothing was changed.
          Is it there?   ls -l
          Look again:    inv db.status
        Write $${...} for the text
        """)


def test_an_error_for_machines() -> None:
    error = OutOfReach("it is not below", "a1", Hint("An upgrade can", "inv db.upgrade --to=b1"))

    assert json.loads(render_error_json(error)) == {
        "error": {
            "code": "db.E209",
            "message": "it is not below",
            "details": {"current": "a1"},
            "state": "Nothing was changed.",
            "hints": [
                {"text": "List the revisions, with a mark at current", "command": "inv db.history"},
                {"text": "An upgrade can", "command": "inv db.upgrade --to=b1"},
            ],
        }
    }


# ---- where the database is


def test_the_status_at_head() -> None:
    assert results.status(AT_HEAD, *FILES, "move tags") == shown("""
        project        /srv/alembic.ini
        configuration  /srv/application.yaml
        database       postgresql://antarest:***@db1:5432/antarest
        engine         PostgreSQL 15.18
        current        b1b2c3d4e5f6 (head)
        head           b1b2c3d4e5f6  move tags
        pending        none
        applied        2 of 2 revisions
        rollback.sh    in sync
    """)


def test_the_status_below_head() -> None:
    grants = ("GRANT SELECT ON TABLE a TO app", "GRANT SELECT ON TABLE b TO app")
    status = Status(
        "SQLite 3.40.1", "sqlite:////a.db", (), ("b1", "c1"), ("a1", "a2", "a3", "b1"), 0, (), False, grants
    )

    assert results.status(status, "/srv/alembic.ini", "/srv/application.yaml", "") == shown("""
        project        /srv/alembic.ini
        configuration  /srv/application.yaml
        database       sqlite:////a.db
        engine         SQLite 3.40.1
        current        base
        heads          b1, c1
        pending        4: a1, a2, a3 and 1 more
        applied        0 of 4 revisions
        missing rights GRANT SELECT ON TABLE a TO app; GRANT SELECT ON TABLE b TO app
        rollback.sh    out of date: inv db.rollback-script
    """)


def test_the_status_at_an_unknown_revision_counts_nothing() -> None:
    status = Status("SQLite 3.40.1", "sqlite:////a.db", ("c0ffee",), ("b1",), ("a1", "b1"), 0, ("c0ffee",), True, ())

    assert results.status(status, "/srv/alembic.ini", "/srv/application.yaml", "add b") == shown("""
        project        /srv/alembic.ini
        configuration  /srv/application.yaml
        database       sqlite:////a.db
        engine         SQLite 3.40.1
        current        c0ffee
        head           b1  add b
        pending        not known from here
        unknown        c0ffee (not in this checkout)
        rollback.sh    in sync
    """)


def test_the_status_for_machines() -> None:
    assert json.loads(results.status_json(AT_HEAD, "/srv/alembic.ini", "/srv/application.yaml")) == {
        "project": "/srv/alembic.ini",
        "configuration": "/srv/application.yaml",
        "at_head": True,
        "engine": "PostgreSQL 15.18",
        "database": DATABASE,
        "current": [TAGS.id],
        "heads": [TAGS.id],
        "pending": [],
        "applied": 2,
        "unknown": [],
        "rollback_script_in_sync": True,
        "missing_grants": [],
        "other_project": "",
        "deployed": "",
        "elsewhere": "",
        "edited": [],
        "rollback_script": "",
        "schema": "",
        "recorded_elsewhere": {},
        "not_checked": {},
    }


def test_a_status_names_what_was_not_checked() -> None:
    reasons = {"rollback.sh": "[antarest] rollback_script is not set", EDITED: "the database has no record"}
    status = replace(AT_HEAD, rollback_script_in_sync=None, not_checked=reasons)
    assert results.status(status, *FILES, "").endswith(
        "\nnot checked    rollback.sh: [antarest] rollback_script is not set\n"
        "not checked    edited files: the database has no record"
    )
    assert json.loads(results.status_json(status, "", ""))["not_checked"] == reasons


def test_the_history() -> None:
    entries = [
        HistoryEntry(TAGS, is_head=True, is_current=False, is_applied=False),
        HistoryEntry(STUDY, is_head=False, is_current=True, is_applied=True),
    ]

    assert results.history(entries, ["c0ffee"]) == shown("""
        ? c0ffee  (current; not in this checkout: inv db.sync)
          b1b2c3d4e5f6  move tags  (head)
        * a1b2c3d4e5f6  create studies  (current)
    """)
    assert results.history([], []) == "no revisions"


def test_a_long_message_is_cut_and_a_missing_one_leaves_no_space() -> None:
    assert results.revision_line(Revision("a1", (), "word " * 40, Path("a.py"))) == "a1  " + ("word " * 40)[:69] + "..."
    assert results.revision_line(Revision("a1", (), "", Path("a.py"))) == "a1"


# ---- plans


def test_what_an_upgrade_would_run() -> None:
    assert results.pending([STUDY, TAGS]).splitlines() == [
        "  a1b2c3d4e5f6  create studies",
        "  b1b2c3d4e5f6  move tags",
        "      loses study.tags: order",
    ]


def test_a_rollback_that_loses_data() -> None:
    def loss(item: str, count: int | None, reason: str = "") -> Loss:
        return Loss(TAGS.id, "downgrade", item, count, reason, "value" if "." in item else "row")

    drops = (
        Drop(loss("tag", 1204, "tags are new")),
        Drop(loss("tag.color", 0)),
        Drop(loss("study.horizon", None)),
        Drop(loss("study.path", 7), moved_to=("rawstudy.path",)),
        Drop(loss("study.owner", 7, "owners without a name"), moved_to=("bot.owner", "user.owner")),
        Drop(loss("study", 2, "studies without a name"), is_drop=False),
    )
    plan = RollbackPlan((TAGS.id,), STUDY.id, (PlannedStep(TAGS, drops),))

    assert results.plan(plan) == shown("""
        rollback       b1b2c3d4e5f6 -> a1b2c3d4e5f6 (1 revision)
          b1b2c3d4e5f6  move tags
              drops table tag (1,204 rows): tags are new
              drops column tag.color (empty)
              drops column study.horizon (an unknown number of values): NOT DECLARED by the revision, so it is refused
              moves column study.path (7 values) to rawstudy.path
              moves column study.owner (7 values) to bot.owner, user.owner; may lose some: owners without a name
              may lose some of study, at most 2 rows: studies without a name
        This loses data: 1,204 rows of tag; an unknown number of values of study.horizon; 7 values of study.owner; 2 rows of study.
    """)  # noqa: E501 - as it is printed


def test_a_rollback_that_loses_nothing() -> None:
    plan = RollbackPlan((TAGS.id, "c1"), "base", (PlannedStep(TAGS, ()), PlannedStep(STUDY, ())))

    assert results.plan(plan) == shown("""
        rollback       b1b2c3d4e5f6, c1 -> base (2 revisions)
          b1b2c3d4e5f6  move tags
          a1b2c3d4e5f6  create studies
        This loses no data.
    """)


def test_a_reset() -> None:
    rows = {"study": 1204, "tag": 0, "users": 1, "vault": None}
    plan = ResetPlan(DATABASE, rows, {"view": 2, "index": 2}, ("trigger audit on study",))

    assert results.reset_plan(plan) == shown("""
        reset          drops 4 tables with 1,205 rows and an unknown number of rows, 2 indexes, 2 views, then migrates to head
          study                            1,204 rows
          users                                 1 row
          vault                        an unknown number of rows
          dropped with its table       trigger audit on study
    """)  # noqa: E501 - as it is printed


def test_a_seed() -> None:
    assert results.seeded({"tag": 1, "study": 1204}, 1.5) == shown("""
          study                            1,204 rows
          tag                                   1 row
        seeded: 1,205 rows in 2 tables in 1.50 s
    """)


# ---- results


def outcome(*steps: tuple[Revision, float]) -> RunOutcome:
    """Return the outcome of a run of these upgrades."""
    return RunOutcome(after=(TAGS.id,), steps=[(revision, "upgrade", seconds) for revision, seconds in steps])


def test_what_a_run_came_to() -> None:
    done = outcome((STUDY, 0.25), (TAGS, 1.5))

    assert results.outcome(done, "upgraded").splitlines()[-1] == (
        "upgraded: 2 revisions in 1.75 s; the database is at b1b2c3d4e5f6"
    )
    assert results.outcome(outcome(), "upgraded") == "nothing to do: the database is at b1b2c3d4e5f6"
    assert results.nothing_to_do([]) == "nothing to do: the database is at base"


def test_a_revision_that_was_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    written = Written(
        tmp_path / "versions" / "b1.py",
        detected=("adds column study.horizon", "drops column study.year"),
        drops=("drops column study.year",),
        by_hand=("adds sequence tag_seq",),
    )
    assert results.written(written, Path("/elsewhere/rollback.sh"), tmp_path / "schema.md") == shown("""
        revision       versions/b1.py
        rollback       /elsewhere/rollback.sh
        diagram        schema.md
        detected       adds column study.horizon
        detected       drops column study.year
        careful        drops column study.year, with its data. A rename is op.alter_column(..., new_column_name=...)
        by hand        adds sequence tag_seq: Alembic does not see it
    """)


def test_a_revision_that_was_not_written() -> None:
    nothing = "no changes: the models match the migrations, and nothing was written"
    by_hand = 'nothing was written. Write it into an empty revision:   inv db.revision --empty --message="..."'

    assert results.written(Written(None), None) == nothing
    assert results.written(Written(None, by_hand=("adds sequence s",)), None) == (
        f"by hand        adds sequence s: Alembic does not see it\n{by_hand}"
    )


def test_what_a_check_found() -> None:
    heads = CheckFailure("heads", "the history has 2 heads: b1, b2", "inv db.history")
    unset = Check("diagram in sync", skipped="[antarest] diagram is not set")

    assert results.checks([Check("one head", [heads]), Check("rollback.sh in sync"), unset]) == shown("""
        heads: the history has 2 heads: b1, b2
            inv db.history
        not checked    diagram in sync: [antarest] diagram is not set
    """)
    assert results.checks([Check("one head"), unset, Check("rollback.sh in sync")]) == shown("""
        no findings
        checked        one head
        checked        rollback.sh in sync
        not checked    diagram in sync: [antarest] diagram is not set
    """)


@pytest.mark.parametrize(("number", "text"), [(0, "0 studies"), (1, "1 study"), (2000, "2,000 studies")])
def test_a_number_of_things(number: int, text: str) -> None:
    assert count(number, "study", "studies") == text
    assert count(number, "study").removesuffix("s") == text.replace("studies", "study")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(" no such value \nand more"), "no such value"),
        (ValueError(), "ValueError"),
        (DBAPIError("SELECT 1", {}, Exception("no such table\nLINE 1")), "no such table"),
    ],
)
def test_the_reason_of_an_error(error: Exception, text: str) -> None:
    assert reason(error) == text


def test_fields_leave_out_what_is_empty() -> None:
    assert fields([("engine", "SQLite"), ("unknown", ""), ("a", "b")]) == "engine         SQLite\na              b"
