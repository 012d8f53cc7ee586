"""a person is in a room only once: the others are deleted before"""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade():
    op.execute("DELETE FROM visit WHERE id NOT IN (SELECT min(id) FROM visit GROUP BY person_id, room)")
    op.create_index("ux_visit", "visit", ["person_id", "room"], unique=True)


def downgrade():
    op.drop_index("ux_visit", "visit")
