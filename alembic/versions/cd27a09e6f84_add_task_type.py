"""add task type

Revision ID: cd27a09e6f84
Revises: 1be8f4530ac6
Create Date: 2023-03-14 15:47:08.141926

"""

import sqlalchemy as sa
from alembic import op

revision = "cd27a09e6f84"
down_revision = "1be8f4530ac6"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"taskjob.type": "created by this revision"}}

TYPES = ("OTHER", "ARCHIVE", "UNARCHIVE", "COPY", "EXPORT", "SCAN", "UPGRADE_STUDY", "VARIANT_GENERATION")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(f"CREATE TYPE tasktype AS ENUM {TYPES}")
    with op.batch_alter_table("taskjob") as batch:
        batch.add_column(sa.Column("type", sa.Enum(*TYPES, name="tasktype"), server_default="OTHER", nullable=False))
        if dialect == "sqlite":
            batch.create_check_constraint(op.f("ck_taskjob_tasktype"), f"type IN {TYPES}")


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    with op.batch_alter_table("taskjob") as batch:
        if dialect == "sqlite":
            batch.drop_constraint(op.f("ck_taskjob_tasktype"), type_="check")
        batch.drop_column("type")
    if dialect == "postgresql":
        op.execute("DROP TYPE tasktype")
