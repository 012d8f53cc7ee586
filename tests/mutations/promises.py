"""For each promise of `docs/reliability.md`: a patch that breaks it, and the tests that must notice."""

from __future__ import annotations

from tests.mutations.patch import Patch

PROMISES: tuple[Patch, ...] = ()
