"""add variants

Revision ID: 95b7e1c0d34f
Revises: 2ed6bf9f1690
Create Date: 2021-10-19 09:57:21.774302

"""

import sqlalchemy as sa
from alembic import op

revision = "95b7e1c0d34f"
down_revision = "2ed6bf9f1690"
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "study.parent_id": "created by this revision",
        "variantstudy": "created by this revision",
        "commandblock": "created by this revision",
    }
}


def upgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("parent_id", sa.String(36), nullable=True))
        batch.create_foreign_key(op.f("fk_study_parent_id_study"), "study", ["parent_id"], ["id"])
    op.create_table(
        "variantstudy",
        sa.Column("id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["study.id"], name=op.f("fk_variantstudy_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variantstudy")),
    )
    op.create_table(
        "commandblock",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("study_id", sa.String(36), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("command", sa.String(255), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["variantstudy.id"], name=op.f("fk_commandblock_study_id_variantstudy")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commandblock")),
    )


def downgrade() -> None:
    op.drop_table("commandblock")
    op.drop_table("variantstudy")
    with op.batch_alter_table("study") as batch:
        batch.drop_constraint(op.f("fk_study_parent_id_study"), type_="foreignkey")
        batch.drop_column("parent_id")
