"""m"""


revision = "m"
down_revision = ("a", "b")


def upgrade():
    pass


def downgrade():
    pass
