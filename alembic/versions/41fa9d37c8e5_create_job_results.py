"""create job results

Revision ID: 41fa9d37c8e5
Revises: e08c52d1796b
Create Date: 2021-06-24 16:48:03.915520

"""

import sqlalchemy as sa
from alembic import op

revision = "41fa9d37c8e5"
down_revision = "e08c52d1796b"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"job_result": "created by this revision"}}

STATUSES = ("PENDING", "RUNNING", "SUCCESS", "FAILED")


def upgrade() -> None:
    op.create_table(
        "job_result",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("study_id", sa.String(36), nullable=False),
        sa.Column("launcher", sa.String(255), nullable=False),
        sa.Column("job_status", sa.Enum(*STATUSES, name="jobstatus"), nullable=False),
        sa.Column("creation_date", sa.DateTime(), nullable=False),
        sa.Column("completion_date", sa.DateTime(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(f"job_status IN {STATUSES}", name=op.f("ck_job_result_jobstatus")).ddl_if(dialect="sqlite"),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_job_result_owner_id_identities")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_job_result_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_result")),
    )


def downgrade() -> None:
    op.drop_table("job_result")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE jobstatus")
