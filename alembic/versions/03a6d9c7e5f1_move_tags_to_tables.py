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
    op.split_json("study.tags", "tag", value="label", keys={})  # type: ignore[attr-defined]  # ours
    op.split_json("study.tags", "study_tag", value="tag_label", keys={"id": "study_id"})  # type: ignore[attr-defined]
    with op.batch_alter_table("study") as batch:
        batch.drop_column("tags")


def downgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("tags", sa.Text(), server_default="[]", nullable=False))
    op.join_json("study_tag", "study.tags", value="tag_label", keys={"study_id": "id"})  # type: ignore[attr-defined]
    op.drop_table("study_tag")
    op.drop_table("tag")
