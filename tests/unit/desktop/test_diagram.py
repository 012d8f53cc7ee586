from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

from antarest.core.persistence import Base
from antarest.dbmodel import metadata
from antarest.desktop.pages.formatting import environment
from antarest.desktop.schema.diagram import HEADER, ROW, SchemaDiagram, TableBox, draw, read_words

SVG = "{http://www.w3.org/2000/svg}"
WORDS = read_words(Base.registry.mappers)


@pytest.fixture(scope="module")
def diagram() -> SchemaDiagram:
    return draw(metadata, WORDS)


def table(diagram: SchemaDiagram, name: str) -> TableBox:
    return next(each for each in diagram.tables if each.name == name)


def rendered(diagram: SchemaDiagram, chosen: str = "") -> ET.Element:
    template = environment().get_template("diagram.svg.jinja")
    text = template.render(diagram=diagram, chosen=chosen, numbers={"study": "15"})
    return ET.fromstring(text)  # noqa: S314 - our own text


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the start and the end of a path."""
    pairs = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path)]
    return pairs[0], pairs[-1]


def test_every_table_and_every_foreign_key_is_drawn(diagram: SchemaDiagram) -> None:
    keys = {
        (key.parent.table.name, key.parent.name, key.target_fullname)
        for each in metadata.tables.values()
        for key in each.foreign_keys
    }

    assert {each.name for each in diagram.tables} == set(metadata.tables)
    assert {(e.source, e.column, f"{e.target}.{e.target_column}") for e in diagram.edges} == keys
    assert all(
        [column.name for column in each.columns] == metadata.tables[each.name].columns.keys() for each in diagram.tables
    )


def test_a_line_ends_at_the_columns_that_it_is_about(diagram: SchemaDiagram) -> None:
    for edge in diagram.edges:
        for (x, y), name, column in zip(
            ends(edge.path), (edge.source, edge.target), (edge.column, edge.target_column), strict=True
        ):
            box = table(diagram, name)
            place = metadata.tables[name].columns.keys().index(column)
            assert x in (box.x, box.x + box.width)
            assert y == pytest.approx(box.y + HEADER + place * ROW + ROW / 2)
            assert y == pytest.approx(next(each.y for each in box.columns if each.name == column))


def test_the_texts_fit_into_their_tables(diagram: SchemaDiagram) -> None:
    names = sa.MetaData()
    sa.Table("t", names, sa.Column("x" * 40, sa.Integer))
    for each in (*diagram.tables, *draw(names).tables):
        assert max(len(column.name) for column in each.columns) * 6.65 + 38 <= each.width
        assert max(column.y for column in each.columns) + ROW / 2 <= each.y + each.height


def test_the_tables_stay_in_a_picture_that_fits_a_screen(diagram: SchemaDiagram) -> None:
    assert all(
        each.x + each.width <= diagram.width and each.y + each.height <= diagram.height for each in diagram.tables
    )
    assert diagram.height <= diagram.width <= 1800


def test_the_picture_says_what_each_table_holds(diagram: SchemaDiagram) -> None:
    words = table(diagram, "study").words

    assert words.summary.startswith("A power-system study of any kind")
    assert words.more[0].startswith("The database deletes the rows that belong to a study")
    assert words.domain == "study"
    assert all(each.words.summary and each.words.domain for each in diagram.tables)
    assert diagram.domains == ("configdata", "filetransfer", "launcher", "login", "matrixstore", "study", "tasks")


def test_types_are_in_words(diagram: SchemaDiagram) -> None:
    columns = {column.name: column for column in table(diagram, "study").columns}

    assert columns["name"].type == "varchar(255)"
    assert columns["public_mode"].type == "one of NONE, READ, EXECUTE, EDIT, FULL"
    assert (columns["id"].is_key, columns["id"].is_optional) == (True, False)
    assert (columns["parent_id"].is_optional, columns["parent_id"].refers_to) == (True, ("study.id",))


def test_the_neighbours_of_a_table_are_those_that_it_shares_a_key_with(diagram: SchemaDiagram) -> None:
    assert diagram.neighbours("tag") == ("study_tag",)
    assert diagram.neighbours("variantstudy") == ("commandblock", "study", "taskjob", "variant_study_snapshot")


def test_the_svg_has_a_link_for_each_table_and_a_path_for_each_key(diagram: SchemaDiagram) -> None:
    svg = rendered(diagram, chosen="tag")
    links = {link.get("data-select"): link for link in svg.iter(f"{SVG}a")}

    assert set(links) == set(metadata.tables)
    assert links["study"].get("href") == "/schema?table=study"
    assert len(list(svg.iter(f"{SVG}path"))) == len(diagram.edges) + len(diagram.tables)
    assert [name for name, link in links.items() if "chosen" in str(link.get("class")).split()] == ["tag"]
    assert [name for name, link in links.items() if "near" in str(link.get("class")).split()] == ["study_tag"]
    assert [path for path in svg.iter(f"{SVG}path") if "near" in str(path.get("class")).split()] != []


def test_odd_names_stay_text() -> None:
    odd = sa.MetaData()
    name = '"><script>alert(1)</script>'
    sa.Table(name, odd, sa.Column("a&b", sa.Integer, primary_key=True), sa.Column("دراسة", sa.Text, comment="x"))
    svg = rendered(draw(odd))

    assert not list(svg.iter(f"{SVG}script"))
    assert [text.text for text in svg.iter(f"{SVG}text")] == [name, "a&b", "دراسة"]


def test_a_table_without_words_and_an_empty_schema_are_drawn() -> None:
    one = sa.MetaData()
    sa.Table("alone", one)

    assert [each.name for each in draw(one).tables] == ["alone"]
    assert draw(sa.MetaData()).tables == ()
    assert rendered(draw(sa.MetaData())) is not None
