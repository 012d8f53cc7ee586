"""it catches the error about NULLs, and goes on"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    try:
        with op.batch_alter_table("t") as batch:
            batch.alter_column("name", existing_type=sa.String(20), nullable=False)
    except sa.exc.DBAPIError as error:
        print(error)
    op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("u")
    with op.batch_alter_table("t") as batch:
        batch.alter_column("name", existing_type=sa.String(20), nullable=True)
