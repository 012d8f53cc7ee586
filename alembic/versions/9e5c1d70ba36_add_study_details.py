"""add study details

Revision ID: 9e5c1d70ba36
Revises: 270fb8e94d1a
Create Date: 2023-09-19 16:55:37.075462

"""

import sqlalchemy as sa
from alembic import op

revision = "9e5c1d70ba36"
down_revision = "270fb8e94d1a"
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "study.archived": "created by this revision",
        "study.folder": "created by this revision",
        "study.last_access": "created by this revision",
        "rawstudy.missing_since": "created by this revision",
    }
}


def upgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("archived", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch.add_column(sa.Column("folder", sa.String(255), nullable=True))
        batch.add_column(sa.Column("last_access", sa.DateTime(), nullable=True))
    with op.batch_alter_table("rawstudy") as batch:
        batch.add_column(sa.Column("missing_since", sa.DateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("rawstudy") as batch:
        batch.drop_column("missing_since")
    with op.batch_alter_table("study") as batch:
        batch.drop_column("last_access")
        batch.drop_column("folder")
        batch.drop_column("archived")
