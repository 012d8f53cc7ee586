"""count letters"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"river.letters": "computed by this revision"}}


def upgrade():
    op.add_column("river", sa.Column("letters", sa.Integer))
    rows = op.get_bind().execute(sa.text("SELECT id, name FROM river")).all()
    for id_, name in rows:
        letters = sa.text("UPDATE river SET letters = :letters WHERE id = :id")
        op.get_bind().execute(letters, {"letters": len(name or ""), "id": id_})


def downgrade():
    op.drop_column("river", "letters")
