"""`inv db.verify` as users run it: its exit codes, its lines, its files, its flags, and Ctrl-C."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from antarest.migration.scratch.databases import URL_VARIABLE
from tests.support.checks.refusals import refusal
from tests.support.data.database import HISTORY
from tests.support.projects.checkouts import Checkout, Result, Run
from tests.support.projects.histories import Script, write_project, write_script
from tests.support.projects.verify import HISTORIES, OTHERS, Verify, assert_in_markdown, ini_of

pytestmark = pytest.mark.usefixtures("scratch_here")  # The commands start no server.
COMMANDS = {
    "inv": ("inv", "db.verify"),
    "module": ("python", "-m", "antarest.migration", "verify"),
    "program": ("antarest-verify",),
    "package": ("python", "-m", "antarest.migration.verify"),
}
BRANCHES = "clean_branches_and_merge"


def on_sqlite(verify: Verify, history: str, *flags: str) -> Result:
    """Prove a history on SQLite only."""
    return verify(f"--project={ini_of(history)}", "--engine=sqlite", *flags)


def in_table(done: Result) -> list[str]:
    """Return the lines that the proof printed, without the seconds."""
    return re.sub(r" +\d+\.\d+", " N", done.out).splitlines()


def revisions(done: Result) -> list[str]:
    """Return the revisions for which the proof printed a line."""
    return re.findall(r"^([0-9a-f]{12}) {4}", done.out, re.MULTILINE)


# ---- what it says


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_each_command_proves_the_same(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command, f"--project={ini_of('clean_irreversible')}", "--engine=sqlite")

    assert (done.code, done.err, revisions(done)) == (EXIT_DONE, "", ["a00000000000", "b00000000000"])


def test_a_history_without_a_fault_is_one_line_a_revision(run: Run) -> None:
    ini = ini_of("clean_irreversible")

    done = run(*COMMANDS["program"], f"--project={ini}")

    assert (done.code, done.err) == (EXIT_DONE, "")
    assert in_table(done) == [
        f"project        {ini}",
        "on             SQLite and PostgreSQL, in scratch databases",
        "                SQLite                               PostgreSQL",
        "revision        up     down   schema rows         s  up     down   schema rows         s  parity",
        "a00000000000    ok     ok     ok     ok N  ok     ok     ok     ok N  ok",
        "b00000000000    ok     none   ok     ok N  ok     none   ok     ok N  ok",
        "in one run      ok            ok                     ok            ok                     ok",
        "",
        "not checked: the models: no metadata is named by [antarest] or --metadata",
        "",
        "no findings: 2 revisions on SQLite and PostgreSQL in N s",
    ]


def test_what_is_found_is_said_with_what_mends_it_and_written_to_files(verify: Verify, tmp_path: Path) -> None:
    ini = ini_of("cast_on_sqlite")
    files = {form: tmp_path / f"found.{form}" for form in ("json", "markdown", "comment", "sarif", "html")}

    done = verify(f"--project={ini}", "--github", *(f"--{form}={path}" for form, path in files.items()))

    assert refusal(done, "db.E803", EXIT_FAILED).fact == "db.verify has 1 finding, see above"
    assert revisions(done) == ["a00000000000", "b10000000000", "b20000000000", "c00000000000"]
    sides = "V301   -      -      -               ok     ok     ok     ok N  ok"
    assert f"b10000000000    {sides}" in in_table(done)
    overview, by_revision = done.out.split("\n\n")[1:3]
    assert overview.splitlines() == [
        "V301 the upgrade fails on empty tables: 1 in b10000000000",
        "notes: V107 1; --notes lists them",
        "not proved: the history on SQLite: the whole history in one run: a revision does not run",
        "not checked: the models: no metadata is named by [antarest] or --metadata",
    ]
    file = (ini.parent / "versions" / "b10000000000_name_rivers.py").relative_to(Path.cwd())
    name, *rest = by_revision.splitlines()
    assert name == f"b10000000000  {file}"
    assert rest[:2] == ["  V301 the upgrade fails on empty tables", '    SQLite: unrecognized token: ":"']
    assert re.search(
        r"^1 finding, 1 note, 1 not proved: 4 revisions on SQLite and PostgreSQL in ", done.out, re.MULTILINE
    )
    line = file.read_text().splitlines().index("def upgrade():") + 1
    assert f"::error file={file},line={line},title=V301 the upgrade fails on empty tables::b10000000000" in done.out
    texts = {form: path.read_text() for form, path in files.items()}
    _assert_in_json(json.loads(texts["json"]))
    assert_in_markdown(texts["markdown"])
    assert f"- **V301 the upgrade fails on empty tables** in b10000000000 (`{file}:{line}`)" in texts["comment"]
    for form, note in (("markdown", "| V107 (note) |"), ("comment", "ambiguous** (note) in ")):
        gap = "- not proved: the history on SQLite: the whole history in one run: a revision does not run"
        assert gap in texts[form].splitlines()
        assert note in texts[form]
    result, note = json.loads(texts["sarif"])["runs"][0]["results"]
    assert (note["ruleId"], note["level"]) == ("V107", "note")
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], result["level"]) == ("V301", "error")
    assert place == {"artifactLocation": {"uri": str(file)}, "region": {"startLine": line}}
    assert '<a class="error" href="#revision-b10000000000-V301">V301</a>' in texts["html"]


def test_what_follows_from_a_cause_stands_below_it(verify: Verify, tmp_path: Path) -> None:
    """Keys of a table have changed, and so have the rows that refer to it, on both engines and in both directions."""
    found, comment = tmp_path / "found.json", tmp_path / "comment.md"
    files = (f"--json={found}", f"--comment={comment}")

    renumbered = verify(f"--versions={OTHERS / 'keys_renumbered' / 'versions'}", *files)
    rebuilt = verify(f"--project={ini_of('rebuild_loses_trigger')}", "--revisions=b00000000000")

    entry = [
        "SQLite and PostgreSQL: 3 other values in t.id after upgrade and downgrade",
        "so V504: 3 other values in one.t_id after upgrade and downgrade",
        "so V504: 3 other values in two.t_id after upgrade and downgrade",
    ]
    below = "\n    ".join(["  V504 rows change when the revision runs in both directions", "\n      ".join(entry)])
    assert f"{below}\n    Let the downgrade" in re.sub(r"\d+ other", "3 other", renumbered.out), renumbered.out
    assert re.search(r"^\d+ findings of 1 cause, ", renumbered.out, re.MULTILINE)
    assert "\n    - so V504: " in comment.read_text()
    causes = [each["cause"]["found"] for each in json.loads(found.read_text())["findings"] if "cause" in each]
    assert causes
    assert all("in t.id after" in each for each in causes)
    assert "    SQLite: upgrade: trigger named on river\n      so V601: " in rebuilt.out, rebuilt.out


def test_objects_of_which_the_same_is_wrong_are_one_entry(verify: Verify, tmp_path: Path) -> None:
    columns = ", ".join(f'sa.Column("at{number}", kind)' for number in range(20))
    kind = "kind = sa.String(30) if is_postgresql() else sa.Integer"
    create = f'{kind}\nop.create_table("t", sa.Column("id", sa.Integer, primary_key=True), {columns})'
    project = write_project(tmp_path, Script("first", create, 'op.drop_table("t")', {"downgrade": {"t": "new"}}))

    done = verify(f"--project={project.ini}")

    assert "    t.at0: type: INTEGER -> VARCHAR(30); the same: t.at1, t.at10, t.at11 and 16 more\n" in done.out
    assert "\n20 findings of 1 cause, 0 notes: " in done.out


def test_a_proof_of_one_engine_or_of_some_revisions_says_so(verify: Verify) -> None:
    done = verify(f"--project={ini_of('clean_irreversible')}", "--engine=sqlite", "--revisions=a00000000000")

    assert [line for line in done.out.splitlines() if line.startswith("not checked")] == [
        "not checked: the models: no metadata is named by [antarest] or --metadata",
        "not checked: the history as a whole: the head is not among the revisions",
        "not checked: one engine against the other: only one was asked for",
    ]


def test_a_folder_without_revisions_is_not_proved_and_folders_below_it_are(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "versions" / "2024").mkdir(parents=True)
    flags = (f"--versions={tmp_path / 'versions'}", "--engine=sqlite")

    refused = refusal(verify(*flags), "db.E210", EXIT_USAGE)
    write_script(tmp_path / "versions" / "2024", Script("a10000000000"), None)
    proved = verify(*flags)

    assert "there is no revision in versions" in refused.fact
    assert (proved.code, revisions(proved)) == (EXIT_DONE, ["a10000000000"])


def test_each_property_of_a_revision_says_what_is_wrong_with_it(verify: Verify) -> None:
    lines = {
        history: in_table(verify(f"--project={ini_of(history)}", "--revisions=b00000000000"))
        for history in ("downgrade_forgets_index", "engines_differ", "name_of_64_characters")
    }

    sides = "ok     ok     V404   ok N  ok     ok     V404   ok N  ok"
    assert f"b00000000000    {sides}" in lines["downgrade_forgets_index"]
    sides = "ok     ok     ok     ok N  ok     ok     ok     ok N"
    assert f"b00000000000    {sides}  V601" in lines["engines_differ"]
    assert f"b00000000000    {sides}  ok       V104" in lines["name_of_64_characters"]


def _assert_in_json(data: dict[str, object]) -> None:
    assert (data["complete"], data["clean"], data["engines"]) == (False, False, ["sqlite", "postgresql"])
    assert isinstance(data["findings"], list)
    assert isinstance(data["not_proved"], list)
    assert isinstance(data["proofs"], list)
    found = [(each["id"], each["revision"], each["engine"], each["severity"]) for each in data["findings"]]
    assert found == [("V301", "b10000000000", "sqlite", "error"), ("V107", "c00000000000", "", "note")]
    assert [(each["revision"], each["engine"]) for each in data["not_proved"]] == [("", "sqlite")]
    impacts = {(each["revision"], each["engine"]): each["impact"] for each in data["proofs"]}
    assert len(impacts) == 8
    assert data["not_checked"] == {"the models": "no metadata is named by [antarest] or --metadata"}
    assert impacts["b10000000000", "postgresql"]["written"]["river"] >= 3


def test_a_note_fails_nothing(verify: Verify) -> None:
    counted, listed = (on_sqlite(verify, "swapped_column_order", *flags) for flags in ((), ("--notes",)))

    assert (counted.code, counted.err, listed.code) == (EXIT_DONE, "", EXIT_DONE)
    assert "\nnotes: V405 1; --notes lists them\n" in counted.out
    assert listed.out.count("V405 the downgrade changes the order of the columns (note)") == 2  # in the list at the top
    assert "\n    SQLite: river: id, name, alias (expected: id, alias, name)\n" in listed.out
    assert "V405 the downgrade" not in counted.out
    assert "0 findings, 1 note: 2 revisions" in counted.out


def test_files_that_make_no_history_are_a_finding(verify: Verify) -> None:
    done = on_sqlite(verify, "missing_predecessor")

    refusal(done, "db.E803", EXIT_FAILED)
    assert "V102 the revision files form no history" in done.out
    assert revisions(done) == []


def test_each_file_that_cannot_be_imported_is_named(verify: Verify, tmp_path: Path) -> None:
    versions = shutil.copytree(ini_of("import_that_fails").parent, tmp_path / "project") / "versions"
    (versions / "c00000000000_another.py").write_text(
        'import not_there_either\nrevision = "c00000000000"\ndown_revision = "b00000000000"\n'
    )

    done = verify(f"--project={tmp_path / 'project' / 'alembic.ini'}", "--engine=sqlite")

    refusal(done, "db.E803", EXIT_FAILED)
    assert "No module named 'no_such_package'" in done.out
    assert "No module named 'not_there_either'" in done.out


# ---- what is proved


@pytest.mark.parametrize(
    ("named", "expected"),
    {
        "b10000000000:c00000000000": ["b10000000000", "c00000000000"],
        "b1:": ["b10000000000", "c00000000000", "d00000000000"],
        ":b1": ["a00000000000", "b10000000000"],
        "b2": ["b20000000000"],
        "head": ["d00000000000"],
    }.items(),
)
def test_some_revisions_are_proved(verify: Verify, named: str, expected: list[str]) -> None:
    done = on_sqlite(verify, BRANCHES, f"--revisions={named}")

    assert (done.code, revisions(done)) == (EXIT_DONE, expected)
    assert ("in one run" in done.out) == (expected[-1] == "d00000000000")  # With head, the whole history is proved too.
    assert "PostgreSQL" not in done.out


def test_a_folder_of_revisions_is_enough(verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tmp_path / "rows.py"
    rows.write_text('ROWS = {"a00000000000": {"river.name": ["Rhine"]}}\n')
    monkeypatch.chdir(tmp_path)

    done = verify(f"--versions={HISTORIES / 'clean_move' / 'versions'}", f"--rows-from={rows}")

    assert (done.code, done.err, len(revisions(done))) == (EXIT_DONE, "", 2), done.out


def test_the_new_revisions_of_a_branch_are_proved(checkout: Checkout) -> None:
    nothing = checkout.run("inv", "db.verify", "--new", "--engine=sqlite")
    checkout.git("checkout", "--quiet", "-b", "feature")
    made = checkout.run("inv", "db.revision", "--message=add nothing", "--empty")
    assert made.code == EXIT_DONE, made.err
    new = next(path for path in checkout.revisions if path.name.endswith("_add_nothing.py"))
    clean = checkout.run("inv", "db.verify", "--new", "--engine=sqlite")
    index = 'from alembic import op; op.create_index("ix_x", "study", ["name"])'
    new.write_text(re.sub(r"(def upgrade\(\).*:\n)", rf"\1    {index}\n", new.read_text()))
    checkout.commit("Add an index")
    found = checkout.run("inv", "db.verify", "--new", "--engine=sqlite")

    assert (nothing.code, revisions(nothing)) == (EXIT_DONE, [])
    assert (clean.code, len(revisions(clean))) == (EXIT_DONE, 1)
    refusal(found, "db.E803", EXIT_FAILED)
    assert revisions(found) == [new.name.partition("_")[0]]
    assert "SQLite: index ix_x: only in the downgraded schema" in found.out


def test_a_rollback_script_that_is_out_of_date_is_a_finding(checkout: Checkout) -> None:
    script = checkout.path / "scripts" / "rollback.sh"
    script.write_text(script.read_text().replace(HISTORY.head, HISTORY.order[0]))

    done = checkout.run("inv", "db.verify", f"--revisions={HISTORY.order[0]}", "--engine=sqlite")

    refusal(done, "db.E803", EXIT_FAILED)
    assert "  V105 rollback.sh does not match the history\n    rollback.sh is not in sync\n" in done.out


# ---- what it refuses


@pytest.mark.parametrize(
    ("flags", "code", "exit_code"),
    [
        (("--engine=oracle",), "usage.E101", EXIT_USAGE),
        (("--rows=0",), "usage.E101", EXIT_USAGE),
        (("--rows=many",), "usage.E101", EXIT_USAGE),
        (("--new", "--revisions=a:b"), "usage.E101", EXIT_USAGE),
        (("--json=no/such/folder/found.json",), "usage.E101", EXIT_USAGE),
        (("--revisions=",), "usage.E101", EXIT_USAGE),
        (("--revisions=base",), "usage.E101", EXIT_USAGE),
        (("--revisions=d56b40e9c7a3:base",), "usage.E101", EXIT_USAGE),
        (("--rows-from=tests/__init__.py", "--engine=sqlite"), "db.E210", EXIT_USAGE),
        (("--nothing",), "usage.E101", EXIT_USAGE),
        (("--env=A=1",), "usage.E101", EXIT_USAGE),
        (("--run-env", "--env=A"), "usage.E101", EXIT_USAGE),
        (("--versions=no/such/folder",), "db.E200", EXIT_USAGE),
        (("--rows-from=no/such/file.py",), "db.E210", EXIT_USAGE),
        (("--engine=sqlite", "--metadata=no_such_module:metadata"), "db.E210", EXIT_USAGE),
        (("--revisions=c0ffee",), "db.E207", EXIT_FAILED),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_refused(verify: Verify, flags: tuple[str, ...], code: str, exit_code: int) -> None:
    done = verify(f"--project={ini_of('clean_move')}", *flags)

    refusal(done, code, exit_code)
    assert "findings" not in done.out  # Nothing was proved, so the summary is left out.


def test_new_needs_git(verify: Verify, tmp_path: Path) -> None:
    project = write_project(tmp_path, Script("first"))

    done = verify(f"--project={project.ini}", "--new", "--engine=sqlite")

    assert refusal(done, "usage.E101", EXIT_USAGE).fact.startswith("--new needs git")


def test_without_a_postgresql_it_is_tried_again_later(run: Run, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    nobody = {URL_VARIABLE: "postgresql://me@127.0.0.1:1/postgres"}

    done = run(*COMMANDS["module"], f"--project={ini_of('clean_move')}", f"--json={found}", env=nobody)

    refusal(done, "db.E390", EXIT_UNREACHABLE)
    assert "finding" not in done.out
    assert not found.exists()
