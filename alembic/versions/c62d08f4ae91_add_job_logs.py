"""add job logs

Revision ID: c62d08f4ae91
Revises: 95b7e1c0d34f
Create Date: 2021-11-23 15:31:10.048965

"""

import sqlalchemy as sa
from alembic import op

revision = "c62d08f4ae91"
down_revision = "95b7e1c0d34f"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"joblog": "created by this revision"}}

LOG_TYPES = ("BEFORE", "AFTER")


def upgrade() -> None:
    op.create_table(
        "joblog",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("log_type", sa.Enum(*LOG_TYPES, name="joblogtype"), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.CheckConstraint(f"log_type IN {LOG_TYPES}", name=op.f("ck_joblog_joblogtype")).ddl_if(dialect="sqlite"),
        sa.ForeignKeyConstraint(["job_id"], ["job_result.id"], name=op.f("fk_joblog_job_id_job_result")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_joblog")),
    )


def downgrade() -> None:
    op.drop_table("joblog")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE joblogtype")
