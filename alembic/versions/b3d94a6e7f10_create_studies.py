"""create studies

Revision ID: b3d94a6e7f10
Revises: 7c1f0e5ab284
Create Date: 2021-03-16 14:05:52.107344

"""

import sqlalchemy as sa
from alembic import op

revision = "b3d94a6e7f10"
down_revision = "7c1f0e5ab284"
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "study": "created by this revision",
        "rawstudy": "created by this revision",
        "group_metadata": "created by this revision",
    }
}

CONTENT_STATUSES = ("VALID", "WARNING", "ERROR")


def upgrade() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_study_owner_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
    )
    op.create_table(
        "rawstudy",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("content_status", sa.Enum(*CONTENT_STATUSES, name="studycontentstatus"), nullable=False),
        sa.Column("workspace", sa.String(255), server_default="default", nullable=False),
        sa.Column("path", sa.String(255), nullable=True),
        sa.CheckConstraint(f"content_status IN {CONTENT_STATUSES}", name=op.f("ck_rawstudy_studycontentstatus")).ddl_if(
            dialect="sqlite"
        ),
        sa.ForeignKeyConstraint(["id"], ["study.id"], name=op.f("fk_rawstudy_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rawstudy")),
    )
    op.create_table(
        "group_metadata",
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.Column("study_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_group_metadata_group_id_groups")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_group_metadata_study_id_study")),
        sa.PrimaryKeyConstraint("group_id", "study_id", name=op.f("pk_group_metadata")),
    )


def downgrade() -> None:
    op.drop_table("group_metadata")
    op.drop_table("rawstudy")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE studycontentstatus")
    op.drop_table("study")
