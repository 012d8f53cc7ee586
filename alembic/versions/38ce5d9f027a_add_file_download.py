"""add file download

Revision ID: 38ce5d9f027a
Revises: a17b6c0fd942
Create Date: 2022-06-30 14:26:41.079533

"""

import sqlalchemy as sa
from alembic import op

revision = "38ce5d9f027a"
down_revision = "a17b6c0fd942"
branch_labels = None
depends_on = None

lossy = {"downgrade": {"file_download": "created by this revision"}}


def upgrade() -> None:
    op.create_table(
        "file_download",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("ready", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("expiration_date", sa.DateTime(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_file_download_owner_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_download")),
    )


def downgrade() -> None:
    op.drop_table("file_download")
