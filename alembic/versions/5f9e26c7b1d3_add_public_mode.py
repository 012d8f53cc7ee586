"""add public mode

Revision ID: 5f9e26c7b1d3
Revises: d8a4731be60c
Create Date: 2022-03-29 13:19:26.882451

"""

import sqlalchemy as sa
from alembic import op

revision = "5f9e26c7b1d3"
down_revision = "d8a4731be60c"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"study.public_mode": "created by this revision"}}

MODES = ("NONE", "READ", "EXECUTE", "EDIT", "FULL")


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    if dialect == "postgresql":
        op.execute(f"CREATE TYPE publicmode AS ENUM {MODES}")
    with op.batch_alter_table("study") as batch:
        batch.add_column(
            sa.Column("public_mode", sa.Enum(*MODES, name="publicmode"), server_default="NONE", nullable=False)
        )
        if dialect == "sqlite":
            batch.create_check_constraint(op.f("ck_study_publicmode"), f"public_mode IN {MODES}")


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    with op.batch_alter_table("study") as batch:
        if dialect == "sqlite":
            batch.drop_constraint(op.f("ck_study_publicmode"), type_="check")
        batch.drop_column("public_mode")
    if dialect == "postgresql":
        op.execute("DROP TYPE publicmode")
