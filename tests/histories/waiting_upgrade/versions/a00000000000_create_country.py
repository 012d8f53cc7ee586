"""create country"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000000"
down_revision = None
lossy = {"downgrade": {"country": "it is made of nothing"}}


def upgrade():
    op.create_table("country", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))
    op.execute("INSERT INTO country (id, name) VALUES (1, 'France')")


def downgrade():
    op.drop_table("country")
