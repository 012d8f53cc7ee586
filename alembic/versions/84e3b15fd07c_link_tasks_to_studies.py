"""link tasks to studies

Revision ID: 84e3b15fd07c
Revises: cd27a09e6f84
Create Date: 2023-03-28 10:05:44.803371

"""

import sqlalchemy as sa
from alembic import op

revision = "84e3b15fd07c"
down_revision = "cd27a09e6f84"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"taskjob.ref_id": "created by this revision"}}


def upgrade() -> None:
    with op.batch_alter_table("taskjob") as batch:
        batch.add_column(sa.Column("ref_id", sa.String(36), nullable=True))
        batch.create_foreign_key(op.f("fk_taskjob_ref_id_study"), "study", ["ref_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("taskjob") as batch:
        batch.drop_constraint(op.f("fk_taskjob_ref_id_study"), type_="foreignkey")
        batch.drop_column("ref_id")
