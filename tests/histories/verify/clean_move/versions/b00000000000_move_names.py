"""move names"""

import sqlalchemy as sa
from alembic import op

revision = "b00000000000"
down_revision = "a00000000000"
moves = {"river.name": "river_name.name"}
lossy = {"downgrade": {"river_name.river_id": "rivers have their names again"}}


def upgrade():
    op.create_table(
        "river_name",
        sa.Column(
            "river_id", sa.Integer, sa.ForeignKey("river.id", name="fk_river_name_river_id_river"), primary_key=True
        ),
        sa.Column("name", sa.String(40)),
    )
    op.execute("INSERT INTO river_name SELECT id, name FROM river WHERE name IS NOT NULL")
    op.drop_column("river", "name")


def downgrade():
    op.add_column("river", sa.Column("name", sa.String(40)))
    op.execute("UPDATE river SET name = (SELECT n.name FROM river_name AS n WHERE n.river_id = river.id)")
    op.drop_table("river_name")
