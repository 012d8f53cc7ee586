"""The downgrade refuses rows that would lose their difference."""

import sqlalchemy as sa
from alembic import op

revision = "r5"
down_revision = "r4"


def upgrade():
    pass


def downgrade():
    twice = "SELECT name FROM place WHERE name IS NOT NULL GROUP BY name HAVING count(*) > 1"
    if names := op.get_bind().execute(sa.text(twice)).scalars().all():
        raise RuntimeError(f"rename these places first: {', '.join(sorted(names))}")
