"""The registry of the models: importing it makes `metadata` know every table.

A new model module gets one import line here; a test walks the package and fails on a table that is missing.
"""

from __future__ import annotations

import antarest.core.configdata.model
import antarest.core.filetransfer.model
import antarest.core.tasks.model
import antarest.launcher.model
import antarest.login.model
import antarest.matrixstore.model
import antarest.study.model
import antarest.study.variantstudy.model  # noqa: F401  # the imports are what registers the tables
from antarest.core.persistence import Base

__all__ = ["Base", "metadata"]

metadata = Base.metadata
