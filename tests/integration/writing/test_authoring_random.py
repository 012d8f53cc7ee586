"""After `db.revision`, and the work by hand that it lists, `db.check` passes: for random changes of models."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from antarest.migration.branches.writing import Written
from antarest.migration.errors.settings.db_config import DbConfig
from antarest.migration.scratch.databases import EngineName, PostgresServer
from tests.support.projects.author import SQLITE, Author
from tests.support.projects.histories import Script, write_script

NUMBERS = itertools.count()


@dataclass(frozen=True)
class Change:
    """A change of the models.

    Attributes:
        name: the name of the change. The models test whether it is chosen.
        hand: the lines that an author writes by hand, if `db.revision` does not write the change. They run on both
            engines.
    """

    name: str
    hand: str = ""


def on_postgresql(*statements: str) -> str:
    return f"if is_postgresql():\n    sql({', '.join(map(repr, statements))})"


CHANGES = [
    Change("a default of func.now()"),
    Change("a column that is not nullable"),
    Change("another length"),
    Change("a table that refers to it"),
    Change("no more column"),
    Change("a boolean default"),
    Change("a comment", on_postgresql("COMMENT ON COLUMN t.a IS 'other'")),
    Change(
        "a condition of an index",
        'op.drop_index("ia")\nop.create_index("ia", "t", ["a"], postgresql_where=sa.text("a > 1"))',
    ),
    Change("a variant", on_postgresql("ALTER TABLE t ALTER j TYPE JSONB USING j::jsonb")),
    Change("an identity", on_postgresql("ALTER TABLE t ALTER id SET GENERATED ALWAYS")),
    Change("a label", on_postgresql("ALTER TYPE kind ADD VALUE 'z'")),
    Change("a check", 'with op.batch_alter_table("t") as b: b.create_check_constraint("positive", "a > 0")'),
    Change("a sequence", on_postgresql("CREATE SEQUENCE numbers")),
    Change("a view", 'sql("CREATE VIEW v AS SELECT 1 AS one")'),
    Change(
        "nulls",
        on_postgresql(
            "ALTER TABLE t DROP CONSTRAINT ub", "ALTER TABLE t ADD CONSTRAINT ub UNIQUE NULLS NOT DISTINCT (b)"
        ),
    ),
]


def models(changed: Sequence[str]) -> str:
    """Return the models with these changes."""

    def either(name: str, yes: str, no: str = "") -> str:
        return yes if name in changed else no

    null = "a column that is not nullable" not in changed
    columns = [
        f'sa.Column("id", sa.Integer, sa.Identity(always={"an identity" in changed}), primary_key=True)',
        f'sa.Column("a", sa.Integer, nullable={null}, comment="{either("a comment", "other", "one")}")',
        f'sa.Column("b", sa.String({either("another length", "30", "20")}))',
        'sa.Column("j", sa.JSON()' + either("a variant", '.with_variant(postgresql.JSONB(), "postgresql")') + ")",
        f'sa.Column("k", sa.Enum("x", "y"{either("a label", ", {0}z{0}".format(chr(34)))}, name="kind"))',
        either("no more column", "", 'sa.Column("c", sa.Date)'),
        either("a default of func.now()", 'sa.Column("at", sa.DateTime, server_default=sa.func.now(), nullable=False)'),
        either("a boolean default", 'sa.Column("on", sa.Boolean, server_default=sa.true(), nullable=False)'),
        either("a check", 'sa.CheckConstraint("a > 0", name="positive")'),
        f'sa.UniqueConstraint("b", name="ub"{either("nulls", ", postgresql_nulls_not_distinct=True")})',
        f'sa.Index("ia", "a", postgresql_where=sa.text("a > {either("a condition of an index", "1", "0")}"))',
    ]
    other = (
        'sa.Table("o", metadata, sa.Column("t", sa.ForeignKey("t.id", name="fk_t", ondelete="CASCADE"), index=True))'
    )
    view = 'sa.event.listen(metadata, "after_create", sa.DDL("CREATE VIEW v AS SELECT 1 AS one"))'
    return "\n".join(
        [
            f"sa.Table('t', metadata, {', '.join(filter(None, columns))})",
            either("a table that refers to it", other),
            either("a sequence", 'sa.Sequence("numbers", metadata=metadata)'),
            either("a view", view),
        ]
    )


@settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.sampled_from(CHANGES), unique=True, min_size=1, max_size=5),
    first=st.sampled_from(["sqlite", "postgresql"]),
)
def test_after_a_revision_and_the_work_by_hand_the_check_passes(
    postgres: PostgresServer, changes: list[Change], first: EngineName
) -> None:
    db = SQLITE if first == "sqlite" else DbConfig(postgres.url)
    with TemporaryDirectory() as folder, patch.object(sys, "path", [f"{folder}/project", *sys.path]):
        author = Author(Path(folder, "project"), f"random_models_{next(NUMBERS)}")
        author.models(models([]))
        assert author.revise(db).by_hand == ()
        done: list[str] = []
        for number, change in enumerate(changes):
            done.append(change.name)
            author.models(models(done))
            written = author.revise(db)
            assert written.detected or written.by_hand, change.name
            if written.by_hand:
                hand = Script(f"hand{number}", upgrade=change.hand)
                write_script(author.project.versions[0], hand, author.project.history.head)
            assert author.findings(db) == [], change.name
        assert author.revise(db) == Written(None)
