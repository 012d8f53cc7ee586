"""translate the labels"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"


def upgrade():
    translate("free", "wild")


def downgrade():
    translate("wild", "free")


def translate(old, new):
    if op.get_bind().dialect.name != "postgresql":
        op.execute(f"UPDATE river SET course = '{new}' WHERE course = '{old}'")
        return
    op.execute("ALTER TYPE course RENAME TO old_course")
    op.execute(f"CREATE TYPE course AS ENUM ('{new}', 'bent')")
    op.execute(f"ALTER TABLE river ALTER COLUMN course TYPE course USING replace(course::text, '{old}', '{new}')::course")
    op.execute("DROP TYPE old_course")
