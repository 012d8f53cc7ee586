"""r2"""

import json

import sqlalchemy as sa
from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    bind = op.get_bind()
    for id_, patch in bind.execute(sa.text("SELECT id, patch FROM t")).all():
        bind.execute(sa.text("UPDATE t SET n = :n WHERE id = :id"), {"n": len(json.loads(patch or "{}")), "id": id_})


def downgrade():
    pass


lossy = {"upgrade": {"t.n": "counted again"}}
