"""create accounts

Revision ID: 7c1f0e5ab284
Revises:
Create Date: 2021-03-02 09:41:17.482913

"""

import sqlalchemy as sa
from alembic import op

revision = "7c1f0e5ab284"
down_revision = None
branch_labels = None
depends_on = None

lossy = {
    "downgrade": {
        "identities": "created by this revision",
        "users": "created by this revision",
        "users_ldap": "created by this revision",
        "bots": "created by this revision",
        "groups": "created by this revision",
        "roles": "created by this revision",
    }
}

ROLES = ("ADMIN", "RUNNER", "WRITER", "READER")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
    )
    op.create_table(
        "groups",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pwd", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["identities.id"], name=op.f("fk_users_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_table(
        "users_ldap",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("firstname", sa.String(255), nullable=False),
        sa.Column("lastname", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["identities.id"], name=op.f("fk_users_ldap_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users_ldap")),
    )
    op.create_table(
        "bots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("is_author", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("is_author IN (0, 1)", name=op.f("ck_bots_is_author_flag")),
        sa.ForeignKeyConstraint(["id"], ["identities.id"], name=op.f("fk_bots_id_identities")),
        sa.ForeignKeyConstraint(["owner_id"], ["identities.id"], name=op.f("fk_bots_owner_id_identities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bots")),
    )
    op.create_table(
        "roles",
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.String(36), nullable=False),
        sa.Column("type", sa.Enum(*ROLES, name="roletype"), nullable=False),
        sa.CheckConstraint(f"type IN {ROLES}", name=op.f("ck_roles_roletype")).ddl_if(dialect="sqlite"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_roles_group_id_groups")),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name=op.f("fk_roles_identity_id_identities")),
        sa.PrimaryKeyConstraint("identity_id", "group_id", name=op.f("pk_roles")),
    )


def downgrade() -> None:
    op.drop_table("roles")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TYPE roletype")
    op.drop_table("bots")
    op.drop_table("users_ldap")
    op.drop_table("users")
    op.drop_table("groups")
    op.drop_table("identities")
