"""a text column is compared as text, and is also read as JSON"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    name = op.get_bind().dialect.name
    new = "json_set(spec, '$.router', 'none')" if name == "sqlite" else "(spec::jsonb || '{\"router\": \"none\"}')::text"
    op.execute(f"UPDATE plan SET spec = {new} WHERE spec LIKE '%\"dynamo\"%'")


def downgrade():
    raise NotImplementedError("the old specs are not known")
