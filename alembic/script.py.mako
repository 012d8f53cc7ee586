<%!
    def docstring(text):
        """Any text, as the inside of a docstring."""
        return text.replace("\\", "\\\\").replace('"', '\\"')
%>\
"""${message | docstring}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}

"""

# Rules: import only op and sa, never antarest (the models change, this file must not). Move data with set-based SQL
# that both engines have, not with loops over rows. Alter tables through op.batch_alter_table: SQLite rebuilds them.
# Declare lost data in `lossy` ("table" or "table.column", with the reason), and columns with moved data in `moves`.
# All revisions of a run share one transaction. With transaction = "own" or "none", a revision does not share it.

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}

% for item in drops if drops is not UNDEFINED else []:
# The upgrade drops ${item}. If that is a rename, write a rename and name it in moves; else declare it in lossy.
% endfor
% for item in retypes if retypes is not UNDEFINED else []:
# The type of ${item} changes, up and down. If a cast and the cast back change a value, the run ends: convert the
# values, or declare "${item}" in lossy for that direction.
% endfor
lossy: dict[str, dict[str, str]] = ${lossy if lossy is not UNDEFINED else "{}"}
moves: dict[str, str] = {}


def upgrade() -> None:
    """Go from the revision before to this one."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Go back to the revision before."""
    ${downgrades if downgrades else "pass"}
