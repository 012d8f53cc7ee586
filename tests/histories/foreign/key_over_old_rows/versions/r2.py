"""a person is in a team only once: wrong, if somebody is in it twice"""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade():
    op.create_index("ux_member", "member", ["person_id", "team"], unique=True)


def downgrade():
    op.drop_index("ux_member", "member")
