"""add study tags

A JSON list of labels, such as ["2030", "winter"].

Revision ID: 270fb8e94d1a
Revises: f90d6ac2837e
Create Date: 2023-06-20 09:12:16.294750

"""

import sqlalchemy as sa
from alembic import op

revision = "270fb8e94d1a"
down_revision = "f90d6ac2837e"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"study.tags": "created by this revision"}}


def upgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("tags", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.drop_column("tags")
