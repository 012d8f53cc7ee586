"""The registry of the models: after its import, `metadata` has every table.

Each module with models has an import line here. A test fails if a table is missing.
"""

from __future__ import annotations

import antarest.core.configdata.model
import antarest.core.filetransfer.model
import antarest.core.tasks.model
import antarest.launcher.model
import antarest.login.model
import antarest.matrixstore.model
import antarest.study.model
import antarest.study.variantstudy.model  # noqa: F401  # the imports register the tables
from antarest.core.persistence import Base

__all__ = ["Base", "metadata"]

metadata = Base.metadata
