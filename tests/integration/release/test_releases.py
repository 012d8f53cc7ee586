"""Releases: a ref names the target, the revision of production is recorded, and a release is written as SQL."""

from __future__ import annotations

import re

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.project.rollback_script import parse
from tests.support.checks.refusals import refusal
from tests.support.projects.branches import SETTINGS, Clone, column, table, well
from tests.support.projects.checkouts import ROOT, Result, run
from tests.support.projects.histories import Script

BASE, FIRST, SECOND, THIRD = "base_00000000", "first_00000000", "second_00000000", "third_00000000"


def released(clone: Clone) -> Clone:
    """Three more revisions on main, all applied. The tag v1 has the first of them."""
    ini = clone.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[antarest]\nrollback_script = rollback.sh\n\n[other]\nkey = value\n")
    clone.write(table("first"))
    well(clone.inv("rollback-script"))
    clone.commit("Release 1")
    clone.git("tag", "v1")
    clone.add(table("second"))
    clone.git("branch", "feature")
    clone.add(column("second", "third"))
    (clone.versions / "third_11111111.py").rename(clone.versions / "third.py")
    clone.commit("Rename a file")
    well(clone.inv("rollback-script"))
    clone.sync()
    return clone


def script(clone: Clone, *flags: str) -> Result:
    """Run `rollback.sh` on a host without git and Invoke."""
    config = clone.folder.with_name(f"{clone.folder.name}.yaml")
    return run(
        *("bash", "rollback.sh", *flags),
        cwd=clone.folder,
        env={**SETTINGS, "ANTAREST_CONF": str(config), "PYTHONPATH": str(ROOT)},
    )


# ---- refs


@pytest.mark.parametrize(
    ("ref", "revision"),
    [("v1", FIRST), ("feature", SECOND), ("HEAD~1", "third_11111111"), ("second", SECOND), ("base", None)],
)
def test_a_rollback_goes_where_a_ref_is(clone: Clone, ref: str, revision: str | None) -> None:
    released(clone)

    well(clone.inv("rollback", f"--to={ref}", "--allow-data-loss"))

    assert clone.current == ((revision,) if revision else ())


def test_so_do_upgrade_and_history(small: Clone) -> None:
    released(small)
    well(small.inv("rollback", "--to=base", "--allow-data-loss"))
    commit = small.git("rev-parse", "--short", "v1")

    well(small.inv("upgrade", f"--to={commit}"))
    assert small.current == (FIRST,)
    well(small.inv("upgrade", "--to=feature"))
    assert small.current == (SECOND,)
    shown = [line[2:].split()[0] for line in well(small.inv("history", "--to=v1")).splitlines()[3:]]
    assert shown == [FIRST, BASE]


def test_a_date_is_the_end_of_that_day(small: Clone) -> None:
    small.git("commit", "--quiet", "--amend", "--no-edit", "--date=2026-01-10T12:00:00", "--allow-empty")
    environment = {**SETTINGS, "GIT_COMMITTER_DATE": "2026-01-10T12:00:00", "GIT_AUTHOR_DATE": "2026-01-10T12:00:00"}
    assert run("git", "commit", "--quiet", "--amend", "--no-edit", cwd=small.folder, env=environment).code == EXIT_DONE
    small.add(table("first"))
    small.sync()

    well(small.inv("rollback", "--to=2026-01-10", "--allow-data-loss"))

    assert small.current == (BASE,)
    refusal(small.inv("rollback", "--to=2026-01-09"), "db.E207", EXIT_FAILED)


def test_two_different_answers_are_an_error_with_both(small: Clone) -> None:
    released(small)
    small.git("tag", "feature", "HEAD")
    refused = refusal(small.inv("rollback", "--to=feature"), "db.E229", EXIT_FAILED)
    assert refused.details == {"as tag": "third_11111111", "as branch": SECOND}

    small.git("tag", "first", "v1")
    well(small.inv("rollback", "--to=first", "--allow-data-loss"))
    assert small.current == (FIRST,)


def test_a_ref_whose_head_is_not_here_is_no_place_to_go(small: Clone) -> None:
    released(small)
    small.branch("other")
    small.add(table("other"))
    small.switch("main")
    assert (
        "which this checkout does not have" in refusal(small.inv("upgrade", "--to=other"), "db.E230", EXIT_FAILED).fact
    )


def test_without_git_only_revisions_are_known(small: Clone) -> None:
    released(small)
    (small.folder / ".git").rename(small.folder.with_name("away"))
    refusal(small.inv("rollback", "--to=v1"), "db.E207", EXIT_FAILED)
    well(small.inv("rollback", "--to=first", "--allow-data-loss"))
    assert small.current == (FIRST,)


# ---- what production runs


def test_the_script_goes_to_the_deployed_revision_however_many_are_added(clone: Clone) -> None:
    released(clone)
    assert parse(clone.folder / "rollback.sh") == (SECOND, "third_11111111")

    out = well(clone.inv("deployed", "v1"))

    assert f"deployed       {FIRST} (v1)" in out
    assert parse(clone.folder / "rollback.sh") == (FIRST, "third_11111111")
    text = (clone.folder / "rollback.sh").read_text()
    assert "the deployed revision (v1)" in text
    assert "inv db.redo" in text
    ini = (clone.folder / "alembic.ini").read_text()
    assert f"rollback_script = rollback.sh\ndeployed = {FIRST}\ndeployed_from = v1\n\n[other]" in ini
    for number in range(5):
        clone.write(table(f"t{number}"))
    well(clone.inv("upgrade"))
    assert parse(clone.folder / "rollback.sh") == (FIRST, "t4_00000000")
    clone.database.execute("INSERT INTO first (id, label) VALUES (1, 'kept')", "INSERT INTO t4 (id) VALUES (1), (2)")

    refused = refusal(script(clone, "--yes"), "db.E502", EXIT_FAILED)
    assert refused.details["loses"] == "t4: 2 rows (it makes it)"
    assert script(clone, "--allow-data-loss").code == EXIT_DONE
    assert clone.current == (FIRST,)
    assert clone.database.value("SELECT label FROM first") == "kept"
    assert "nothing to do" in script(clone).out


def test_from_every_revision_since_the_deployed_one(clone: Clone) -> None:
    released(clone)
    well(clone.inv("deployed", "v1"))
    for revision in ("third_11111111", SECOND, FIRST):
        assert clone.current == (revision,) or clone.database.workflow.upgrade(to=revision).steps
        assert script(clone, "--allow-data-loss").code == EXIT_DONE
        assert clone.current == (FIRST,)


def test_cleared_it_goes_one_step_again(small: Clone) -> None:
    released(small)
    before = (small.folder / "alembic.ini").read_text(), (small.folder / "rollback.sh").read_text()
    well(small.inv("deployed", "v1"))
    assert "deployed       first_00000000" in well(small.inv("status"))
    well(small.inv("deployed", "second"))
    assert "deployed_from" not in (small.folder / "alembic.ini").read_text()

    well(small.inv("deployed-clear"))

    assert ((small.folder / "alembic.ini").read_text(), (small.folder / "rollback.sh").read_text()) == before


@pytest.mark.parametrize(("ref", "code"), [("base", "db.E231"), ("nowhere", "db.E207"), ("v1.0", "db.E207")])
def test_what_is_not_below_the_head_is_not_deployed(small: Clone, ref: str, code: str) -> None:
    released(small)
    before = (small.folder / "alembic.ini").read_text()
    refusal(small.inv("deployed", ref), code, EXIT_FAILED)
    assert (small.folder / "alembic.ini").read_text() == before


def findings(clone: Clone) -> list[str]:
    """Return the findings of `db.check` about the deployed revision."""
    done = clone.inv("check")
    return [line for line in done.out.splitlines() if line.startswith("deployed: ")]


def test_a_change_below_the_deployed_revision_is_found(small: Clone) -> None:
    released(small)
    well(small.inv("deployed", "v1"))
    first = small.versions / "first_00000000.py"
    text = first.read_text()
    assert findings(small) == []

    first.write_text(text + "\n# A comment.\n")
    assert findings(small) == []
    first.write_text(text.replace("String(9)", "String(10)"))
    assert findings(small) == [f"deployed: revision {FIRST} was changed since v1"]
    first.write_text(text)
    first.rename(small.versions / "renamed.py")
    assert findings(small) == [f"deployed: revision {FIRST} was renamed to renamed.py since v1"]
    (small.versions / "renamed.py").write_text(
        text.replace(f"down_revision = '{BASE}'", "down_revision = 'in_00000000'")
    )
    (small.versions / "renamed.py").rename(first)
    small.write(Script("in_00000000", down=BASE))
    assert findings(small) == [
        f"deployed: revision {FIRST} was changed since v1",
        "deployed: revision in_00000000 was inserted below the deployed revision since v1",
    ]


def test_a_deployed_revision_that_is_gone_is_found(small: Clone) -> None:
    released(small)
    well(small.inv("deployed", "second"))
    ini = small.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace(f"deployed = {SECOND}", "deployed = c0ffee123456"))

    assert findings(small) == ["deployed: the deployed revision c0ffee123456 is in no file"]
    refused = refusal(small.inv("rollback-script"), "db.E231", EXIT_FAILED)
    assert refused.commands == ["inv db.deployed REF", "inv db.deployed-clear"]


def test_what_is_deployed_is_not_moved_or_written_anew(small: Clone) -> None:
    released(small)
    small.branch("mine")
    small.add(table("mine"))
    well(small.inv("deployed", "mine_00000000"))
    assert "is deployed" in refusal(small.inv("revision", "--amend"), "db.E226", EXIT_FAILED).fact
    small.git("reset", "--quiet", "--hard")
    small.switch("main")
    small.add(table("theirs"))
    small.switch("mine")
    small.git("merge", "--quiet", "main")
    ini = small.folder / "alembic.ini"
    ini.write_text(re.sub(r"(\[antarest\]\n)", r"\1deployed = mine_00000000\n", ini.read_text()))
    assert "mine_00000000 is deployed" in refusal(small.inv("rebase"), "db.E228", EXIT_FAILED).fact


# ---- written down


def test_sql_of_a_rollback_for_a_dba(small: Clone) -> None:
    released(small)
    well(small.inv("deployed", "v1"))
    (small.folder.with_name("clone.yaml")).write_text("db:\n  url: postgresql://nobody@nowhere.invalid/none\n")

    done = script(small, "--sql")

    assert done.code == EXIT_DONE, done.err
    assert "DROP TABLE second" in done.out
    assert f"SET version_num='{FIRST}'" in done.out
    assert "DROP TABLE first" not in done.out


def test_scripts_of_a_release_are_proved(small: Clone) -> None:
    released(small)
    done = small.inv("sql", "v1", "head", "--output=.")
    assert done.code == EXIT_DONE, done.err
    assert f"span           {FIRST} -> third_11111111 (2 revisions)" in done.out
    assert "proved         both give the schema of the revisions, on PostgreSQL" in done.out
    assert "CREATE TABLE second" in (small.folder / "upgrade.sql").read_text()
    assert "DROP TABLE second" in (small.folder / "rollback.sql").read_text()


def test_scripts_that_do_something_else_are_refused(small: Clone) -> None:
    released(small)
    small.add(
        Script(
            "looks_00000000",
            upgrade='if not op.get_context().as_sql:\n    op.create_table("t", sa.Column("id", sa.Integer))',
            downgrade='if not op.get_context().as_sql:\n    op.drop_table("t")',
        )
    )
    refused = refusal(small.inv("sql", "v1", "head", "--output=."), "db.E232", EXIT_FAILED)
    assert refused.fact == "upgrade.sql does not do what the revisions do"
    assert not (small.folder / "upgrade.sql").exists()


@pytest.mark.parametrize("words", [("head", "v1"), ("v1", "base")])
def test_a_span_goes_up(small: Clone, words: tuple[str, str]) -> None:
    released(small)
    refusal(small.inv("sql", *words), "db.E209", EXIT_FAILED)


def test_release_notes(small: Clone) -> None:
    released(small)
    done = small.inv("release-notes", "v1", "head", "--output=notes.md")
    assert done.code == EXIT_DONE, done.err
    notes = (small.folder / "notes.md").read_text()
    assert f"# Database: {FIRST} to third_11111111" in notes
    assert (
        f"## revision {SECOND} (`{SECOND}`)\n\n- adds table `second`\n- Its rollback loses `second`: it makes it"
        in notes
    )
    assert "- Impact on PostgreSQL: " in notes
    assert "`second` is locked (AccessExclusiveLock)" in notes


@pytest.mark.parametrize("verb", ["sql", "release-notes"])
def test_no_place_to_write_to(small: Clone, verb: str) -> None:
    refused = refusal(small.inv(verb, "base", "head", "--output=no/where"), "usage.E101", EXIT_USAGE)
    assert "not 'no/where'" in refused.fact
