"""add settings

Revision ID: d8a4731be60c
Revises: 0146b79f723c
Create Date: 2022-02-15 10:44:58.320716

"""

import sqlalchemy as sa
from alembic import op

revision = "d8a4731be60c"
down_revision = "0146b79f723c"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"configdata": "created by this revision"}}


def upgrade() -> None:
    op.create_table(
        "configdata",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_configdata_owner_id_identities")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_configdata")),
    )


def downgrade() -> None:
    op.drop_table("configdata")
