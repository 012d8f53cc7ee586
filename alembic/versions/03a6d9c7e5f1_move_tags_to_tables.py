"""move tags to tables

The labels in the JSON list of each study become rows. Any other text stops the upgrade, and nothing is changed.
The way back writes the labels of a study in the order of their code points, on both engines.

Revision ID: 03a6d9c7e5f1
Revises: b84f2e03d69c
Create Date: 2024-01-30 13:41:50.460283

"""

import sqlalchemy as sa
from alembic import op

revision = "03a6d9c7e5f1"
down_revision = "b84f2e03d69c"
branch_labels = None
depends_on = None

lossy = {
    "upgrade": {"study.tags": "the order of the labels in a list, and repeated ones"},
    "downgrade": {"tag": "colors, and tags that no study carries"},
}
moves = {"study.tags": "study_tag"}

study = sa.table("study", sa.column("id", sa.String(36)), sa.column("tags", sa.Text()))
tag = sa.table("tag", sa.column("label", sa.String(255)))
study_tag = sa.table("study_tag", sa.column("study_id", sa.String(36)), sa.column("tag_label", sa.String(255)))

# Of one study. SQLite 3.40 knows no ORDER BY inside an aggregate; a window has the same effect.
LABELS_AS_JSON = {
    "postgresql": """
        SELECT '[' || string_agg(CAST(to_json(tag_label) AS text), ', ' ORDER BY tag_label COLLATE "C") || ']'
        FROM study_tag WHERE study_tag.study_id = study.id
    """,
    "sqlite": """
        SELECT '[' || group_concat(json_quote(tag_label), ', ') OVER (
            ORDER BY tag_label ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) || ']'
        FROM study_tag WHERE study_tag.study_id = study.id LIMIT 1
    """,
}


def upgrade() -> None:
    op.create_table(
        "tag",
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("color", sa.String(20), nullable=True),
        sa.PrimaryKeyConstraint("label", name=op.f("pk_tag")),
    )
    op.create_table(
        "study_tag",
        sa.Column("study_id", sa.String(36), nullable=False),
        sa.Column("tag_label", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk_study_tag_study_id_study"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_label"], ["tag.label"], name=op.f("fk_study_tag_tag_label_tag"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", "tag_label", name=op.f("pk_study_tag")),
    )
    if op.get_context().dialect.name == "postgresql":
        elements = sa.func.json_array_elements_text(sa.cast(study.c.tags, sa.JSON()))
    else:
        # SQLite would take the values of an object, or a single value, for a list; PostgreSQL stops there.
        is_list = sa.func.json_type(study.c.tags) == "array"
        elements = sa.func.json_each(sa.case((is_list, study.c.tags), else_="not a list"))
    element = elements.table_valued("value", joins_implicitly=True)
    labels = sa.select(study.c.id, element.c.value).where(element.c.value.is_not(None)).distinct().subquery()
    op.execute(tag.insert().from_select(["label"], sa.select(labels.c.value).distinct()))
    op.execute(study_tag.insert().from_select(["study_id", "tag_label"], sa.select(labels.c.id, labels.c.value)))
    with op.batch_alter_table("study") as batch:
        batch.drop_column("tags")


def downgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("tags", sa.Text(), server_default="[]", nullable=False))
    op.execute(
        f"UPDATE study SET tags = ({LABELS_AS_JSON[op.get_context().dialect.name]})"
        " WHERE EXISTS (SELECT 1 FROM study_tag WHERE study_tag.study_id = study.id)"
    )
    op.drop_table("study_tag")
    op.drop_table("tag")
