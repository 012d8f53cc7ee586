"""The page with the schema: GitHub can draw its diagram, which equals the models, and the rest of the page stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Column

from antarest.dbmodel import metadata
from antarest.migration.branches.generated import block
from antarest.migration.errors.base import EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from antarest.study.model import Tag
from tests.support.checks.refusals import refusal
from tests.support.programs.user import assert_shows
from tests.support.projects.checkouts import ROOT, Checkout

PAGE = "docs/schema.md"
COLOR = "    color: Mapped[str | None]"

# The lines that the grammar of Mermaid's erDiagram allows.
ENTITY = re.compile(r"  (\w+) \{")
ATTRIBUTE = re.compile(r'    ([A-Za-z_][\w()\[\]-]*) (\w+)(?: ((?:PK|FK|UK)(?:,(?:PK|FK|UK))*))?(?: "([^"\n]*)")?')
RELATION = re.compile(r"  (\w+) (\|\||\|o|\}o)--(o\||o\{) (\w+) : (\w+)")


def diagram() -> list[str]:
    """Return the lines of the diagram in the page."""
    text = block((ROOT / PAGE).read_text(encoding="utf-8"), "schema") or ""
    found = re.match(r"```mermaid\nerDiagram\n(.*?)```\n", text, re.DOTALL)
    assert found
    return [line for line in found[1].splitlines() if line]


def drawn() -> dict[str, dict[str, tuple[str, str]]]:
    """Return each table of the diagram, with the keys and the comment of each column."""
    tables: dict[str, dict[str, tuple[str, str]]] = {}
    columns: dict[str, tuple[str, str]] = {}
    for line in diagram():
        if entity := ENTITY.fullmatch(line):
            columns = tables[entity[1]] = {}
        elif attribute := ATTRIBUTE.fullmatch(line):
            columns[attribute[2]] = (attribute[3] or "", attribute[4] or "")
    return tables


# ---- what it shows


def test_each_line_is_one_that_mermaid_reads() -> None:
    shapes = (ENTITY, ATTRIBUTE, RELATION, re.compile(r"  \}"))

    assert [line for line in diagram() if not any(shape.fullmatch(line) for shape in shapes)] == []


def test_every_column_is_there_with_its_keys() -> None:
    def keys(column: Column[object]) -> str:
        if column.primary_key:
            return "PK,FK" if column.foreign_keys else "PK"
        return "FK" if column.foreign_keys else "UK" if column.unique else ""

    expected = {name: {column.name: keys(column) for column in t.columns} for name, t in metadata.tables.items()}

    assert {name: {c: keys_ for c, (keys_, _) in columns.items()} for name, columns in drawn().items()} == expected
    assert drawn()["job_result"]["job_status"] == ("", "values: PENDING, RUNNING, SUCCESS, FAILED")


def test_every_foreign_key_is_a_line_with_the_right_ends() -> None:
    lines = [found.groups() for line in diagram() if (found := RELATION.fullmatch(line))]
    ends = {(table, column): (other, left, right) for other, left, right, table, column in lines}

    assert len(lines) == sum(len(column.foreign_keys) for t in metadata.tables.values() for column in t.columns)
    assert ends["rawstudy", "id"] == ("study", "||", "o|")  # a study has one raw part, or none
    assert ends["commandblock", "study_id"] == ("variantstudy", "||", "o{")
    assert ends["study", "parent_id"] == ("study", "|o", "o{")  # no parent, or one
    assert ends["study_tag", "study_id"] == ("study", "||", "o{")  # part of a key: a study has many tags


def test_the_page_says_what_each_table_holds() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / PAGE).read_text(encoding="utf-8"), re.MULTILINE))

    assert rows.keys() == metadata.tables.keys()
    assert rows["tag"] == (Tag.__doc__ or "").partition("\n")[0]


# ---- keeping it


@pytest.mark.usefixtures("postgres")
def test_a_stale_diagram_is_found_and_written_anew(checkout: Checkout) -> None:
    """The text that people have written around the diagram stays."""
    page = checkout.path / PAGE
    text = page.read_text()
    page.write_text(text.replace('VARCHAR(20) color "nullable"', "VARCHAR(10) color") + "\nMy own words.\n")

    found = checkout.run("inv", "db.check")
    done = checkout.run("inv", "db.diagram")

    assert refusal(found, "db.E802", EXIT_FAILED).fact.startswith("db.check has 1 finding")
    assert_shows(found.out, "diagram: schema.md does not show the models as they are now\n    inv db.diagram\n")
    assert (done.code, done.out, done.err) == (EXIT_DONE, f"{page}: {len(metadata.tables)} tables\n", "")
    assert page.read_text() == text + "\nMy own words.\n"


@pytest.mark.usefixtures("postgres")
def test_a_missing_page_is_found_and_written(checkout: Checkout) -> None:
    page = checkout.path / PAGE
    content = block(page.read_text(), "schema")
    page.unlink()

    assert "diagram: schema.md" in checkout.run("inv", "db.check").out
    assert checkout.run("inv", "db.diagram").code == EXIT_DONE
    assert block(page.read_text(), "schema") == content


def test_a_revision_brings_it_in_line(checkout: Checkout) -> None:
    model = checkout.path / "antarest/study/model.py"
    model.write_text(
        model.read_text().replace(COLOR, f"    icon: Mapped[str | None] = mapped_column(String(9))\n{COLOR}")
    )

    done = checkout.run("inv", "db.revision", "--message=add tag icon")
    again = checkout.run("inv", "db.revision", "--message=again", "--empty")

    assert done.code == EXIT_DONE, done.err
    assert_shows(done.out, "rollback       scripts/rollback.sh", f"diagram        {PAGE}", "adds column tag.icon")
    assert '    VARCHAR(9) icon "nullable"\n' in (checkout.path / PAGE).read_text()
    assert "diagram" not in again.out


# ---- what it cannot do


def test_a_page_without_a_place_for_it_is_refused(checkout: Checkout) -> None:
    (checkout.path / PAGE).write_text("# Mine\n")

    error = refusal(checkout.run("inv", "db.diagram"), "db.E210", EXIT_USAGE)

    assert error.fact.startswith("schema.md cannot be used: there is no <!-- generated: schema -->")
    assert (checkout.path / PAGE).read_text() == "# Mine\n"


@pytest.mark.usefixtures("postgres")
def test_a_project_that_names_no_page_is_told_how(checkout: Checkout) -> None:
    ini = checkout.path / "alembic.ini"
    ini.write_text(ini.read_text().replace(f"diagram = {PAGE}\n", ""))

    error = refusal(checkout.run("inv", "db.diagram"), "db.E210", EXIT_USAGE)

    assert error.commands == [f"[antarest] diagram = {PAGE}"]
    assert checkout.run("inv", "db.check").code == EXIT_DONE


def test_without_the_package_that_draws(checkout: Checkout, tmp_path: Path) -> None:
    """The diagram is refused, but a revision is written."""
    (tmp_path / "paracelsus.py").write_text("raise ModuleNotFoundError('No module named paracelsus')\n")
    environment = {"PYTHONPATH": f"{tmp_path}:{checkout.path}"}
    (checkout.path / PAGE).unlink()

    refused = checkout.run("inv", "db.diagram", env=environment)
    revised = checkout.run("inv", "db.revision", "--message=mine", "--empty", env=environment)

    assert refusal(refused, "db.E722", EXIT_USAGE).commands == ["pip install paracelsus"]
    assert (revised.code, revised.err) == (EXIT_DONE, "")


@pytest.mark.parametrize("verb", ["diagram", "seed"])
def test_metadata_that_nobody_names_is_said_first(verb: str, checkout: Checkout) -> None:
    ini = checkout.path / "alembic.ini"
    ini.write_text(ini.read_text().replace("metadata = antarest.dbmodel:metadata\n", ""))

    error = refusal(checkout.run("inv", f"db.{verb}"), "db.E210", EXIT_USAGE)

    reason = "neither env.py nor [antarest] names the metadata of the models, so the tables are not known"
    assert error.fact == f"alembic.ini cannot be used: {reason}"
