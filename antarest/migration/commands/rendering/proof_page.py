"""Renders the result of a proof as one page for a browser. The page needs no network and no script."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from html import escape
from itertools import repeat
from pathlib import Path
from string import Template

from ...errors.settings.commands import spell
from ...errors.text import count
from ...schema.inventory import Inventory, Table
from ...verify import Verification
from ...verify.findings.kinds import KINDS
from ...verify.findings.proof import Proof
from ...verify.rows.snapshots import Sample
from ...verify.target import Target
from .proof import outcome
from .proof_groups import NAMES, FindingGroup, file_of, grouped
from .proof_table import PROPERTIES, Cell, cells_of, parity_of

_TEMPLATE = Path(__file__).with_suffix(".html")
_COLOURS = {"red": "error", "yellow": "note", "green": "ok", "dim": "soft"}


def as_html(found: Verification, target: Target) -> str:
    """Return a page with a table of the revisions, and the result of each property on each engine.

    A click on a result shows its findings.
    """
    lines = [*([""] if found.is_whole else []), *reversed(found.revisions)]
    groups = grouped(found, found.findings)
    missing = [
        f"not proved: {revision or 'the history'} on {NAMES[on]}: {why}" for revision, on, why in found.not_proved
    ]
    missing += [f"not checked: {what}: {why}" for what, why in found.not_checked.items()]
    parts = {
        "project": escape(str(target.place)),
        "outcome": escape(outcome(found)),
        "overview": "\n".join([*_kinds(groups), *(f'<p class="note">{escape(each)}</p>' for each in missing)]),
        "grid": "\n".join([_head(found), *(_line(found, revision) for revision in lines)]),
        "sections": "\n".join(_section(found, revision, target) for revision in dict.fromkeys(["", *lines])),
    }
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def _kinds(groups: Sequence[FindingGroup]) -> Iterator[str]:
    """Yield a line for each kind of findings, worst first, with a link to each revision that has such findings."""
    for kind in sorted({each.kind for each in groups}, key=lambda kind: (kind.severity != "error", kind.id)):
        mine = [each for each in groups if each.kind == kind]
        colour = "error" if any(each.is_error for each in mine) else "note"
        links = (f'<a href="#{_anchor(each.revision, kind.id)}">{_name(each.revision)}</a>' for each in mine)
        title = f'<span class="{colour}"><span class="id">{kind.id}</span> {escape(kind.title)}</span>'
        yield f"<p>{title}: {', '.join(links)}</p>"


def _name(revision: str) -> str:
    return escape(revision or "the history")


def _head(found: Verification) -> str:
    engines = "".join(f'<th colspan="{len(PROPERTIES) + 1}">{NAMES[engine]}</th>' for engine in found.engines)
    names = "".join(f"<th>{name}</th>" for name in (*PROPERTIES, "s")) * len(found.engines)
    return f"<tr><th></th>{engines}<th></th></tr>\n<tr><th>revision</th>{names}<th>others</th></tr>"


def _line(found: Verification, revision: str) -> str:
    cells = ""
    for engine in found.engines:
        proof = found.proofs.get((revision, engine))
        cells += "".join(_cell(cell, revision) for cell in cells_of(found, revision, engine))
        cells += f"<td>{f'{proof.impact.seconds:.2f}' if proof and proof.schema else ''}</td>"
    others = _cell(parity_of(found, revision), revision)
    return f'<tr><td><a href="#{_anchor(revision)}">{_name(revision)}</a></td>{cells}{others}</tr>'


def _cell(cell: Cell, revision: str) -> str:
    text, style = cell
    kind = text.rstrip("+")
    target = _anchor(revision, kind if kind in KINDS else "")
    return f'<td><a class="{_COLOURS[style]}" href="#{target}">{escape(text)}</a></td>' if text else "<td></td>"


def _anchor(revision: str, kind: str = "") -> str:
    anchor = f"revision-{escape(revision, quote=True)}" if revision else "the-history"
    return f"{anchor}-{kind}" if kind else anchor


def _section(found: Verification, revision: str, target: Target) -> str:
    mine = [each for each in found.findings if each.revision == revision]
    path = f"{file_of(revision, target)}" if mine else ""
    parts = [f'<h2>{_name(revision)}</h2><p class="soft">{escape(path)}</p>']
    parts += [_group(each) for each in grouped(found, mine)] or ["<p>Nothing was found here.</p>"]
    for engine in found.engines:
        if (proof := found.proofs.get((revision, engine))) and proof.schema and revision:
            parts += [f"<h3>{NAMES[engine]}</h3>", *_impact(proof), *_schemas(found, proof), *_rows(proof)]
    return f'<section id="{_anchor(revision)}">{"".join(parts)}</section>'


def _group(group: FindingGroup) -> str:
    items = "".join(f"<li>{escape(each.text)}{_consequences(each.consequences)}</li>" for each in group.entries)
    kind, colour = group.kind, "error" if group.is_error else "note"
    anchor = _anchor(group.revision, kind.id)
    title = f'<h3 class="{colour}" id="{anchor}"><span class="id">{kind.id}</span> {escape(kind.title)}</h3>'
    fixes = escape(" ".join(spell(fix) for fix in group.fixes))
    return f"{title}<ul>{items}</ul><p>{escape(spell(kind.why))}</p><p><b>Fix:</b> {fixes}</p>"


def _consequences(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _impact(proof: Proof) -> Iterator[str]:
    impact = proof.impact
    parts = [f"{impact.seconds:.2f} s on the generated rows"]
    parts += [f"{mode} on {table}" for table, mode in impact.locks.items()]
    parts += [f"rewrites {table}" for table in impact.rewritten]
    parts += [f"writes {count(rows, 'row')} of {table}" for table, rows in impact.written.items()]
    yield f'<p class="soft">{escape("; ".join(parts))}</p>'


def _schemas(found: Verification, proof: Proof) -> Iterator[str]:
    """Yield the HTML of each table that the upgrade changes: its columns and constraints before and after."""
    before, after = _before(found, proof), proof.schema
    if before is None or after is None:
        return
    for name in sorted({*before.tables, *after.tables}):
        if before.tables.get(name) != after.tables.get(name):
            sides = [list(_described(schema.tables.get(name))) for schema in (before, after)]
            yield _pair(f"table {name}", *_marked(*sides))


def _before(found: Verification, proof: Proof) -> Inventory | None:
    """Return the schema before a revision, from the proof of the previous revision; None if it is not known."""
    position = found.revisions.index(proof.revision)
    if position:
        earlier = found.proofs.get((found.revisions[position - 1], proof.engine))
        return earlier.schema if earlier else None
    return Inventory(proof.engine) if proof.starts_empty else None


def _described(table: Table | None) -> Iterator[str]:
    if table is None:
        yield "(no such table)"
        return
    for column in table.columns:
        default = f" DEFAULT {column.default}" if column.default is not None else ""
        yield f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'}{default}"
    if key := table.primary_key:
        yield f"PRIMARY KEY ({', '.join(key.columns)})"
    for each in table.foreign_keys:
        to = f"{each.referred_table} ({', '.join(each.referred_columns)})"
        yield f"FOREIGN KEY ({', '.join(each.columns)}) REFERENCES {to} ON DELETE {each.on_delete}"
    yield from (f"UNIQUE ({', '.join(each.columns)})" for each in table.uniques)
    yield from (f"CHECK {each.expression}" for each in table.checks)
    yield from (
        f"{'UNIQUE ' if each.unique else ''}INDEX {each.name} ({', '.join(each.keys)})" for each in table.indexes
    )


def _rows(proof: Proof) -> Iterator[str]:
    """Yield the HTML of a few rows of each table whose rows the upgrade changes, before and after the upgrade."""
    for table, (before, after) in proof.samples.items():
        yield _pair(f"rows of {table}", _table(before, after, "del"), _table(after, before, "ins"))


def _table(rows: Sample, others: Sample, mark: str) -> str:
    """Return the rows of one side as an HTML table. Columns and values that the other side does not have are marked."""
    if not rows:
        return "(no rows)"
    columns, *values = rows
    there = list(others[0]) if others else []
    known = {row[there.index(columns[0])]: row for row in others[1:]} if columns[0] in there else {}

    def shown(text: str, *, is_same: bool) -> str:
        return escape(text) if is_same else f"<{mark}>{escape(text)}</{mark}>"

    def cell(column: str, value: str, other: Sequence[str] | None) -> str:
        is_same = column in there and other is not None and other[there.index(column)] == value
        return f"<td>{shown(value, is_same=is_same)}</td>"

    heads = "".join(f"<th>{shown(each, is_same=each in there)}</th>" for each in columns)
    lines = ("".join(map(cell, columns, row, repeat(known.get(row[0])))) for row in values)
    return f"<table><tr>{heads}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _marked(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """Return the lines of both sides as HTML. The lines that only one side has are marked."""
    left, right = list(map(escape, before)), list(map(escape, after))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, first_end, second, second_end in matcher.get_opcodes():
        if tag != "equal":
            left[first:first_end] = [f"<del>{each}</del>" for each in left[first:first_end]]
            right[second:second_end] = [f"<ins>{each}</ins>" for each in right[second:second_end]]
    return "<pre>{}</pre>".format("\n".join(left)), "<pre>{}</pre>".format("\n".join(right))


def _pair(title: str, left: str, right: str) -> str:
    sides = "".join(f"<div><b>{when}</b>{text}</div>" for when, text in (("before", left), ("after", right)))
    return f'<h3>{escape(title)}</h3><div class="pair">{sides}</div>'
