"""add command version

Every command that was written before is of version 1.

Revision ID: a17b6c0fd942
Revises: 5f9e26c7b1d3
Create Date: 2022-05-17 08:53:07.413690

"""

import sqlalchemy as sa
from alembic import op

revision = "a17b6c0fd942"
down_revision = "5f9e26c7b1d3"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"commandblock.version": "created by this revision"}}

commandblock = sa.table("commandblock", sa.column("version", sa.Integer()))


def upgrade() -> None:
    with op.batch_alter_table("commandblock") as batch:
        batch.add_column(sa.Column("version", sa.Integer(), nullable=True))
    op.execute(commandblock.update().values(version=1))
    with op.batch_alter_table("commandblock") as batch:
        batch.alter_column("version", existing_type=sa.Integer(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("commandblock") as batch:
        batch.drop_column("version")
