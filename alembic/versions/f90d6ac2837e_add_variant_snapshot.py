"""add variant snapshot

Revision ID: f90d6ac2837e
Revises: 84e3b15fd07c
Create Date: 2023-05-23 14:33:29.516048

"""

import sqlalchemy as sa
from alembic import op

revision = "f90d6ac2837e"
down_revision = "84e3b15fd07c"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"variant_study_snapshot": "created by this revision"}}


def upgrade() -> None:
    op.create_table(
        "variant_study_snapshot",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("last_executed_command", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(["id"], ["variantstudy.id"], name=op.f("fk_variant_study_snapshot_id_variantstudy")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant_study_snapshot")),
    )


def downgrade() -> None:
    op.drop_table("variant_study_snapshot")
