"""update study

Variants get files as well, so the path moves from the raw studies to all studies.

Revision ID: 0146b79f723c
Revises: c62d08f4ae91
Create Date: 2022-01-18 17:02:34.591228

"""

import sqlalchemy as sa
from alembic import op

revision = "0146b79f723c"
down_revision = "c62d08f4ae91"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"study.path": "only raw studies had a path"}}
moves = {"rawstudy.path": "study.path"}


def upgrade() -> None:
    with op.batch_alter_table("study") as batch:
        batch.add_column(sa.Column("path", sa.String(255), nullable=True))
    op.move_column("rawstudy.path", "study.path", on={"id": "id"})  # type: ignore[attr-defined]  # ours
    with op.batch_alter_table("rawstudy") as batch:
        batch.drop_column("path")


def downgrade() -> None:
    with op.batch_alter_table("rawstudy") as batch:
        batch.add_column(sa.Column("path", sa.String(255), nullable=True))
    op.move_column("study.path", "rawstudy.path", on={"id": "id"})  # type: ignore[attr-defined]  # ours
    with op.batch_alter_table("study") as batch:
        batch.drop_column("path")
