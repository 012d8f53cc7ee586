"""add generation task

Revision ID: 79c8a2f1e05d
Revises: 4d0e93ba76fc
Create Date: 2024-06-11 09:36:14.352790

"""

import sqlalchemy as sa
from alembic import op

revision = "79c8a2f1e05d"
down_revision = "4d0e93ba76fc"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"variantstudy.generation_task_id": "created by this revision"}}


def upgrade() -> None:
    with op.batch_alter_table("variantstudy") as batch:
        batch.add_column(sa.Column("generation_task_id", sa.String(36), nullable=True))
        batch.create_foreign_key(
            op.f("fk_variantstudy_generation_task_id_taskjob"),
            "taskjob",
            ["generation_task_id"],
            ["id"],
            ondelete="SET NULL",
        )
        batch.create_index(op.f("ix_variantstudy_generation_task_id"), ["generation_task_id"])


def downgrade() -> None:
    with op.batch_alter_table("variantstudy") as batch:
        batch.drop_index(op.f("ix_variantstudy_generation_task_id"))
        batch.drop_constraint(op.f("fk_variantstudy_generation_task_id_taskjob"), type_="foreignkey")
        batch.drop_column("generation_task_id")
