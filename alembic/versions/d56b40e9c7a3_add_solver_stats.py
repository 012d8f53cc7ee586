"""add solver stats

Revision ID: d56b40e9c7a3
Revises: 79c8a2f1e05d
Create Date: 2024-09-24 14:50:05.128466

"""

import sqlalchemy as sa
from alembic import op

revision = "d56b40e9c7a3"
down_revision = "79c8a2f1e05d"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"job_result.solver_stats": "created by this revision"}}


def upgrade() -> None:
    with op.batch_alter_table("job_result") as batch:
        batch.add_column(sa.Column("solver_stats", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("job_result") as batch:
        batch.drop_column("solver_stats")
