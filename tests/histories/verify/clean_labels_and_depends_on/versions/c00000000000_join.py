"""join"""

revision = "c00000000000"
down_revision = ("a00000000000", "b20000000000")


def upgrade():
    pass


def downgrade():
    pass
