"""a text with a list in JSON becomes rows"""

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.create_table("tag", sa.Column("t_id", sa.Integer, nullable=False), sa.Column("name", sa.String(50)))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("INSERT INTO tag SELECT id, jsonb_array_elements_text(tags::jsonb) FROM t WHERE tags IS NOT NULL")
    else:
        op.execute("INSERT INTO tag SELECT t.id, value FROM t, json_each(t.tags) WHERE t.tags IS NOT NULL")


def downgrade():
    op.drop_table("tag")
