"""create matrices

Revision ID: e08c52d1796b
Revises: b3d94a6e7f10
Create Date: 2021-05-11 10:22:39.660187

"""

import sqlalchemy as sa
from alembic import op

revision = "e08c52d1796b"
down_revision = "b3d94a6e7f10"
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "matrix": "created by this revision",
        "dataset": "created by this revision",
        "dataset_matrices": "created by this revision",
        "matrix_dataset_group": "created by this revision",
    }
}


def upgrade() -> None:
    op.create_table(
        "matrix",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matrix")),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("public", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_dataset_owner_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
    )
    op.create_table(
        "dataset_matrices",
        sa.Column("dataset_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("matrix_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_matrices_dataset_id_dataset")),
        sa.ForeignKeyConstraint(["matrix_id"], ["matrix.id"], name=op.f("fk_dataset_matrices_matrix_id_matrix")),
        sa.PrimaryKeyConstraint("dataset_id", "name", name=op.f("pk_dataset_matrices")),
    )
    op.create_table(
        "matrix_dataset_group",
        sa.Column("dataset_id", sa.String(36), nullable=False),
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_matrix_dataset_group_dataset_id_dataset")
        ),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_matrix_dataset_group_group_id_groups")),
        sa.PrimaryKeyConstraint("dataset_id", "group_id", name=op.f("pk_matrix_dataset_group")),
    )


def downgrade() -> None:
    op.drop_table("matrix_dataset_group")
    op.drop_table("dataset_matrices")
    op.drop_table("dataset")
    op.drop_table("matrix")
