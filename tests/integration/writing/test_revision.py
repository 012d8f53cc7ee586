"""Writing a revision in a checkout: change a model, run the command, and use the file."""

from __future__ import annotations

import ast
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import URL

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.migration.project.project import Project
from antarest.migration.project.rollback_script import parse
from antarest.migration.schema.compare import differences
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.programs.user import User
from tests.support.projects.checkouts import Checkout, ConfigFile, Result

STUDY = "antarest/study/model.py"
TASKS = "antarest/core/tasks/model.py"
ANCHOR = "    folder: Mapped[str | None] = mapped_column(String(255), index=True)\n"
HORIZON = "    horizon: Mapped[str | None] = mapped_column(String(40))\n"
SNAPSHOTS = ["alembic/snapshot/postgresql.sql", "alembic/snapshot/sqlite.sql"]


@pytest.fixture
def developer(migrated_database: URL, config_file: ConfigFile, checkout: Checkout) -> User:
    """A developer with a checkout, and a database at head with rows, on each engine in turn."""
    user = User(migrated_database, config_file(migrated_database), checkout.path)
    user.database.fill()
    return user


def edit(checkout: Checkout, name: str, old: str, new: str) -> None:
    """Change a file, and commit it."""
    file = checkout.path / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    checkout.commit(f"Change {name}")


def revise(checkout: Checkout, message: str, *flags: str) -> Result:
    return checkout.run("inv", "db.revision", f"--message={message}", *flags)


def changed(checkout: Checkout) -> list[str]:
    """Return the files that differ from the last commit."""
    return sorted(line[3:] for line in checkout.git("status", "--porcelain", "-z").split("\0") if line)


def project_of(checkout: Checkout) -> Project:
    return Project.load(checkout.path / "alembic.ini")


def new_revision(checkout: Checkout) -> Path:
    """Return the only revision file that is not committed."""
    (name,) = [name for name in changed(checkout) if name.startswith("alembic/versions/")]
    return checkout.path / name


def load(path: Path) -> ModuleType:
    """Import a revision file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the daily loop


def test_a_new_column_becomes_a_revision_that_goes_up_and_down(checkout: Checkout, developer: User) -> None:
    edit(checkout, STUDY, ANCHOR, HORIZON + ANCHOR)
    rows, schema = developer.database.rows(), developer.database.schema()

    done = developer.inv("revision", "--message=add study horizon")

    assert (done.code, done.err) == (EXIT_DONE, "")
    file = new_revision(checkout)
    revision = load(file)
    assert file.name == f"{revision.revision}_add_study_horizon.py"
    generated = ["docs/schema.md", "scripts/rollback.sh"]
    assert changed(checkout) == [*SNAPSHOTS, f"alembic/versions/{file.name}", *generated]
    assert f"alembic/versions/{file.name}\n" in done.out
    assert "detected       adds column study.horizon\n" in done.out
    assert parse(checkout.path / "scripts" / "rollback.sh") == (HISTORY.head, revision.revision)
    assert revision.lossy == {"downgrade": {"study.horizon": "the downgrade drops it"}}

    assert developer.inv("upgrade").code == EXIT_DONE
    assert [str(each) for each in differences(schema, developer.database.schema())] == ["study.horizon: only in after"]

    assert developer.run("scripts/rollback.sh").code == EXIT_DONE
    assert developer.current() == (HISTORY.head,)
    assert differences(schema, developer.database.schema()) == []
    assert developer.database.rows() == rows

    file.unlink()
    assert developer.inv("revision", "--message=add study horizon").code == EXIT_DONE
    again = load(new_revision(checkout)).revision
    assert again != revision.revision
    assert parse(checkout.path / "scripts" / "rollback.sh") == (HISTORY.head, again)


def test_the_developers_database_is_not_touched(checkout: Checkout, developer: User) -> None:
    edit(checkout, STUDY, ANCHOR, HORIZON + ANCHOR)
    developer.database.downgrade(HISTORY.states_below([HISTORY.head])[0])

    def state() -> object:
        if developer.url.get_backend_name() == "sqlite":
            return Path(str(developer.url.database)).read_bytes()
        return developer.current(), developer.database.schema(), developer.database.rows()

    before = state()

    assert developer.inv("revision", "--message=add study horizon").code == EXIT_DONE
    assert state() == before


def test_where_nothing_is_detected_nothing_is_written(checkout: Checkout) -> None:
    done = revise(checkout, "add nothing")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert "no changes: " in done.out
    assert changed(checkout) == []


# ---- what needs a second look


def test_a_dropped_column_may_be_a_rename_and_is_refused_while_it_has_values(
    checkout: Checkout, developer: User
) -> None:
    edit(checkout, STUDY, ANCHOR, ANCHOR.replace("folder", "directory"))

    done = developer.inv("revision", "--message=rename folder")

    assert done.code == EXIT_DONE
    assert "detected       adds column study.directory\n" in done.out
    assert "careful        drops column study.folder, with its data. A rename is op.alter_column" in done.out
    assert "# The upgrade drops study.folder. If that is a rename" in new_revision(checkout).read_text()
    rows = developer.database.rows()
    refused = refusal(developer.inv("upgrade"), "db.E501", EXIT_FAILED)
    assert refused.details["loses"].startswith("study.folder: ")
    assert developer.current() == (HISTORY.head,)
    assert developer.database.rows() == rows


def test_a_column_that_needs_a_value_in_each_row_is_marked(checkout: Checkout, developer: User) -> None:
    filled = "    region: Mapped[str] = mapped_column(server_default='')\n"
    edit(checkout, STUDY, ANCHOR, (ANCHOR + HORIZON).replace("str | None", "str") + filled)

    done = developer.inv("revision", "--message=horizon")
    failed = refusal(developer.inv("upgrade"), "db.E601", EXIT_FAILED)

    marked = [line.split()[1:4] for line in done.out.splitlines() if "row without a value" in line]
    assert marked == [["study.folder:", "nullable:", "True"], ["adds", "column", "study.horizon."]]
    assert 'sa.Column("horizon", ..., server_default="...")' in str(failed)


def test_a_new_type_is_marked_and_refused_while_it_changes_values(checkout: Checkout, developer: User) -> None:
    """On SQLite a time becomes a date as on PostgreSQL, and not only its year."""
    edit(checkout, STUDY, "last_access: Mapped[datetime | None] = mapped_column(DateTime)",
         "last_access: Mapped[datetime | None] = mapped_column(Date)")  # fmt: skip
    edit(checkout, STUDY, "import Boolean, DateTime", "import Boolean, Date, DateTime")

    done = developer.inv("revision", "--message=forget the time")

    assert done.code == EXIT_DONE
    assert "careful        study.last_access: type: " in done.out
    assert "# The type of study.last_access changes" in new_revision(checkout).read_text()
    values = [str(row[0]) for row in developer.database.query("SELECT last_access FROM study")]
    times = [each for each in values if not each.endswith(("None", "00:00:00", "00:00:00.000000"))]
    refused = refusal(developer.inv("upgrade"), "db.E501", EXIT_FAILED)
    assert refused.details["loses"] == f"study.last_access: {len(times)} values (not declared)"
    developer.database.execute("UPDATE study SET last_access = '2024-01-05 00:00:00.000000' WHERE 1 = 1")
    assert developer.inv("upgrade").code == EXIT_DONE
    assert {str(row[0]) for row in developer.database.query("SELECT last_access FROM study")} == {"2024-01-05"}


BY_HAND = {
    "an enum label": (
        TASKS,
        '    COPY = "COPY"\n',
        '    COPY = "COPY"\n    PURGE = "PURGE"\n',
        "taskjob.ck_taskjob_tasktype",
    ),
    "a check": (
        TASKS,
        '    __tablename__ = "taskjob"\n',
        '    __tablename__ = "taskjob"\n    __table_args__ = (CheckConstraint("name <> \'\'", name="named"),)\n',
        "taskjob.ck_taskjob_named",
    ),
    "a sequence": (TASKS, 'Sequence("tasklog_id_sequence")', 'Sequence("log_numbers")', "adds sequence log_numbers"),
}


def test_what_alembic_does_not_see_is_named(checkout: Checkout) -> None:
    edit(checkout, TASKS, "from sqlalchemy import DateTime", "from sqlalchemy import CheckConstraint, DateTime")
    for file, old, new, _ in BY_HAND.values():
        edit(checkout, file, old, new)

    done = revise(checkout, "change something")

    assert done.code == EXIT_FAILED
    by_hand = [line for line in done.out.splitlines() if line.startswith("by hand ")]
    assert [sum(named in line for line in by_hand) for *_, named in BY_HAND.values()] == [1] * len(BY_HAND)
    assert "nothing was written" in done.out
    assert changed(checkout) == []


def test_what_alembic_does_not_see_is_named_beside_what_it_sees(checkout: Checkout) -> None:
    _, old, new, named = BY_HAND["an enum label"]
    edit(checkout, STUDY, ANCHOR, HORIZON + ANCHOR)
    edit(checkout, TASKS, old, new)

    done = revise(checkout, "add horizon and purge")

    assert done.code == EXIT_DONE, done.err
    assert "detected       adds column study.horizon\n" in done.out
    assert "by hand        SQLite: check " + named in done.out
    assert "by hand        PostgreSQL: enum tasktype: labels: " in done.out
    assert new_revision(checkout).is_file()


# ---- messages

# Two of them end with what could end the docstring.
MESSAGES = {
    "shell and quotes": "$(touch hacked) `touch hacked` ${HOME} $1; touch hacked & | > < * ? ~ ! "
    """it's "quoted", and '''thrice''' \"\"\"too\"\"\"\"""",
    "slashes, template and backslashes": "../../etc/passwd and a/b, %s %(rev)s %%  ${message} ## <% pass %> {0} {x} "
    r"C:\new\table \N{DIGIT ONE} \x41 \\",
    "newlines": 'add horizon\n\nbecause of """this"""\nand that',
    "long and non-ascii": "ajouter l'été à 日本語 "
    + "add one more column to the table of the studies " * 4
    + "and end",
}


def test_any_message_with_a_word_is_accepted(checkout: Checkout) -> None:
    """The test writes empty revisions with messages that a program could misread. The project has no snapshot."""
    shutil.rmtree(checkout.path / "alembic" / "snapshot")
    checkout.commit("Go on without a snapshot")
    for message in MESSAGES.values():
        head = project_of(checkout).history.head

        done = revise(checkout, message, "--empty")

        assert done.code == EXIT_DONE, done.err
        file = new_revision(checkout)
        docstring = ast.get_docstring(ast.parse(file.read_text()), clean=False) or ""
        assert docstring.startswith(f"{message}\n\nRevision ID: ")
        revision = load(file)
        assert (revision.down_revision, revision.lossy, revision.moves) == (head, {}, {})
        assert (revision.upgrade(), revision.downgrade()) == (None, None)
        assert parse(checkout.path / "scripts" / "rollback.sh") == (head, revision.revision)
        assert file.parent == checkout.path / "alembic" / "versions"
        assert len(file.name) <= len("0123456789ab_.py") + 41
        assert changed(checkout) == [f"alembic/versions/{file.name}", "scripts/rollback.sh"]
        checkout.commit("Add it")
    assert checkout.run("ruff", "format", "--check", "--no-cache", "alembic/versions").code == EXIT_DONE


def test_a_message_without_a_word_is_refused(checkout: Checkout) -> None:
    for message in ("", "🙂🙂", " \n", "--"):
        refusal(revise(checkout, message), "usage.E101", EXIT_USAGE)
    assert changed(checkout) == []


# ---- the old name


def test_create_db_migration_works_from_any_folder(checkout: Checkout, tmp_path: Path) -> None:
    edit(checkout, STUDY, ANCHOR, HORIZON + ANCHOR)
    script = checkout.path / "scripts" / "create_db_migration.sh"
    message = 'add "study" $(touch hacked) horizon'

    done = User(URL.create("sqlite"), tmp_path / "none.yaml").run(script, message, cwd=tmp_path)

    assert (done.code, done.err) == (EXIT_DONE, "")
    file = new_revision(checkout)
    assert file.name.endswith("_add_study_touch_hacked_horizon.py")
    assert file.read_text().startswith('"""add \\"study\\" $(touch hacked) horizon\n')
    assert not (tmp_path / "hacked").exists()
    for arguments in (["format", "--check"], ["check"]):
        done = checkout.run("ruff", *arguments, "--no-cache", file)
        assert done.code == EXIT_DONE, done.out


def test_create_db_migration_without_a_message_is_refused(checkout: Checkout) -> None:
    refusal(checkout.run("scripts/create_db_migration.sh"), "usage.E101", EXIT_USAGE)
    assert changed(checkout) == []
