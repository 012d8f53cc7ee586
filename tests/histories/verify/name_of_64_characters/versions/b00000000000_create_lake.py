"""create lake"""

from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
lossy = {"downgrade": {"lake": "created by this revision"}}


def upgrade():
    op.execute("""
        CREATE TABLE lake (
            id INTEGER PRIMARY KEY,
            depth INTEGER,
            CONSTRAINT ck_lake_depth_as_it_was_measured_for_the_maps_of_the_last_centur CHECK (depth > 0)
        )
    """)


def downgrade():
    op.drop_table("lake")
