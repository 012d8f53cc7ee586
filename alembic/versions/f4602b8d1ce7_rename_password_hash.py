"""rename password hash

The column never held a password.

Revision ID: f4602b8d1ce7
Revises: 38ce5d9f027a
Create Date: 2022-09-13 11:38:19.657204

"""

import sqlalchemy as sa
from alembic import op

revision = "f4602b8d1ce7"
down_revision = "38ce5d9f027a"
branch_labels = None
depends_on = None

moves = {"users.pwd": "users.password_hash"}


def upgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.alter_column(
            "pwd", new_column_name="password_hash", existing_type=sa.String(255), existing_nullable=False
        )


def downgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.alter_column(
            "password_hash", new_column_name="pwd", existing_type=sa.String(255), existing_nullable=False
        )
