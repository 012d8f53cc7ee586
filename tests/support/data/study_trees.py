"""Realistic studies for the pages: names, tags, owners, and variants of variants."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

import antarest.dbmodel  # noqa: F401 - models name each other, so all of them must be known
from antarest.login.model import Group, Role, RoleType, User
from antarest.study.model import PublicMode, RawStudy, Study, StudyContentStatus, Tag
from antarest.study.variantstudy.model import CommandBlock, VariantStudy, VariantStudySnapshot

NOW = datetime(2026, 11, 20, 16, 42)  # noqa: DTZ001 - times are naive UTC in the database
ODD_NAMES = (
    "<script>alert(1)</script>",
    "دراسة الشتاء ٢٠٣٠ (أساس)",
    "Winter ❄️ 2030 👩‍🔬",
    "x" * 255,
    "100% & _under_ \"quoted\" 'it'",
)
_TAGS = {"adequacy": "#0b7285", "winter": None, "reference": "#2f7d4f", "2030": None, "2050": None, "draft": "#b23a1e"}
_PEOPLE = ("Ada Keller", "Jonas Lindqvist", "Marion Dubreuil", "Sofia Rossi")

# name, version, tags, owner, days ago, and the same for its variants
_TREES: tuple[tuple[str, str, str, int, int, tuple[object, ...]], ...] = (
    (
        "Adequacy outlook 2026-2030, reference",
        "9.2",
        "adequacy reference 2030",
        2,
        0,
        (
            (
                "Cold spell of January 2012",
                "9.2",
                "adequacy winter",
                0,
                1,
                (
                    ("Cold spell, two reactors out", "9.2", "winter draft", 0, 1, ()),
                    ("Cold spell, demand response doubled", "9.2", "winter", 3, 2, ()),
                ),
            ),
            ("Late commissioning of the Celtic link", "9.2", "adequacy", 2, 4, ()),
            ("Heat pumps: fast adoption", "9.2", "adequacy 2030", 1, 9, ()),
        ),
    ),
    ("Flow-based domain, hours of 2025", "9.2", "reference", 1, 2, ()),
    (
        "Long-term pathways, 2050 N1",
        "9.0",
        "2050 reference",
        3,
        6,
        (
            ("N1 with 22 GW of electrolysers", "9.0", "2050", 3, 6, ()),
            ("N1 without new nuclear", "9.0", "2050 draft", 2, 17, ()),
        ),
    ),
    ("Maintenance planning, summer 2026", "8.8", "", 0, 21, ()),
    ("Gas storage and hydro: weekly values", "8.8", "winter", 1, 34, ()),
    (
        "Interconnection with Iberia, cost and benefit",
        "8.8",
        "2030",
        2,
        48,
        (("Second phase only", "8.8", "2030", 2, 52, ()),),
    ),
    ("Adequacy outlook 2025-2030, reference", "8.7", "adequacy reference", 2, 371, ()),
)


def fill(session: Session) -> list[str]:
    """Add the studies.

    Returns:
        The ids of the trees' roots, last changed first.
    """
    group = Group(name="Adequacy team")
    owners = [User(name=name, password_hash="$2b$12$abc") for name in _PEOPLE]
    session.add_all([group, *owners, *(Role(identity=each, group=group, type=RoleType.WRITER) for each in owners)])
    tags = {label: Tag(label=label, color=color) for label, color in _TAGS.items()}
    session.add_all(tags.values())
    roots = [_add(session, tree, None, owners, tags, group) for tree in _TREES]
    session.commit()
    return [root.id for root in roots]


def _add(
    session: Session,
    tree: tuple[object, ...],
    parent: Study | None,
    owners: list[User],
    tags: dict[str, Tag],
    group: Group,
) -> Study:
    name, version, labels, owner, days, variants = tree
    changed = NOW - timedelta(days=float(str(days)), minutes=7 * len(str(name)))
    values = {
        "name": name,
        "version": version,
        "author": _PEOPLE[int(str(owner))],
        "owner": owners[int(str(owner))],
        "tags": [tags[label] for label in str(labels).split()],
        "created_at": changed - timedelta(days=40),
        "updated_at": changed,
        "public_mode": PublicMode.READ,
    }
    study: Study
    if parent is None:
        study = RawStudy(**values, folder="Adequacy/2026", path=f"/srv/studies/{len(str(name)):04d}", groups=[group])
        study.archived = days == 21
        study.missing_since = NOW - timedelta(days=3) if days == 371 else None
        study.content_status = StudyContentStatus.WARNING if days == 34 else StudyContentStatus.VALID
    else:
        study = VariantStudy(**values, parent=parent)
        study.commands = [CommandBlock(index=0, command="update_scenario_builder", version=1, args="{}")]
        if "draft" not in str(labels):
            study.snapshot = VariantStudySnapshot(created_at=changed, last_executed_command=None)
    session.add(study)
    session.flush()
    assert isinstance(variants, tuple)
    for variant in variants:
        _add(session, variant, study, owners, tags, group)
    return study


def add_odd(session: Session) -> None:
    """Add studies whose names could break a page, each with a tag of the same name."""
    for name in ODD_NAMES:
        session.add(RawStudy(name=name, version="9.2", author=name[:255], tags=[Tag(label=name)]))
    session.commit()


def add_tagged(session: Session, number: int) -> None:
    """Add a study with tags named `tag01` and so on."""
    tags = [Tag(label=f"tag{index:02d}") for index in range(1, number + 1)]
    session.add(RawStudy(name="Study with tags", version="9.2", author="ada", tags=tags))
    session.commit()


def add_many(session: Session, number: int) -> None:
    """Add studies named `Study 001` and so on, the last one changed last."""
    session.add_all(
        RawStudy(
            name=f"Study {index:03d}",
            version="9.2",
            author="ada",
            created_at=NOW - timedelta(days=900),
            updated_at=NOW - timedelta(days=800) + timedelta(minutes=index),
        )
        for index in range(1, number + 1)
    )
    session.commit()
