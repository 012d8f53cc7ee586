"""turn author flag into boolean

The default goes first and comes back last: PostgreSQL converts the values of a column, but not its default.

Revision ID: 6a93d7e2f05b
Revises: f4602b8d1ce7
Create Date: 2022-11-08 16:10:55.230847

"""

import sqlalchemy as sa
from alembic import op

revision = "6a93d7e2f05b"
down_revision = "f4602b8d1ce7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("bots") as batch:
        batch.drop_constraint(op.f("ck_bots_is_author_flag"), type_="check")
        batch.alter_column("is_author", existing_type=sa.Integer(), existing_nullable=False, server_default=None)
        batch.alter_column(
            "is_author",
            existing_type=sa.Integer(),
            existing_nullable=False,
            type_=sa.Boolean(),
            postgresql_using="is_author = 1",
        )
        batch.alter_column("is_author", existing_type=sa.Boolean(), existing_nullable=False, server_default=sa.true())


def downgrade() -> None:
    with op.batch_alter_table("bots") as batch:
        batch.alter_column("is_author", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        batch.alter_column(
            "is_author",
            existing_type=sa.Boolean(),
            existing_nullable=False,
            type_=sa.Integer(),
            postgresql_using="CAST(is_author AS integer)",
        )
        batch.alter_column(
            "is_author", existing_type=sa.Integer(), existing_nullable=False, server_default=sa.text("1")
        )
        batch.create_check_constraint(op.f("ck_bots_is_author_flag"), "is_author IN (0, 1)")
