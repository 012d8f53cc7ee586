"""add tasks

The ids of the log come from a sequence where the engine has sequences; SQLite hands out row ids.

Revision ID: 2ed6bf9f1690
Revises: 41fa9d37c8e5
Create Date: 2021-09-08 11:13:45.236871

"""

import sqlalchemy as sa
from alembic import op

revision = "2ed6bf9f1690"
down_revision = "41fa9d37c8e5"
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "taskjob": "created by this revision",
        "taskjoblog": "created by this revision",
    }
}

LOG_IDS = sa.Sequence("tasklog_id_sequence")
STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED")


def upgrade() -> None:
    if op.get_context().dialect.supports_sequences:
        op.execute(sa.schema.CreateSequence(LOG_IDS))
    op.create_table(
        "taskjob",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.Enum(*STATUSES, name="taskstatus"), nullable=False),
        sa.Column("creation_date", sa.DateTime(), nullable=False),
        sa.Column("completion_date", sa.DateTime(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(f"status IN {STATUSES}", name=op.f("ck_taskjob_taskstatus")).ddl_if(dialect="sqlite"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_taskjob_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taskjob")),
    )
    op.create_table(
        "taskjoblog",
        # No serial column on PostgreSQL: the sequence is the one above.
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["taskjob.id"], name=op.f("fk_taskjoblog_task_id_taskjob")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taskjoblog")),
    )


def downgrade() -> None:
    op.drop_table("taskjoblog")
    op.drop_table("taskjob")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE taskstatus")
    if op.get_context().dialect.supports_sequences:
        op.execute(sa.schema.DropSequence(LOG_IDS))
