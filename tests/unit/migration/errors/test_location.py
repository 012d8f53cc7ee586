"""The folders of the user's data."""

from __future__ import annotations

import platformdirs
import pytest

from antarest.migration.errors.settings.location import data_folder


@pytest.mark.parametrize("named", ["", "/srv/data"])
def test_the_data_folder_is_where_other_programs_have_theirs(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel does not need the package platformdirs for this."""
    monkeypatch.setenv("XDG_DATA_HOME", named)

    assert data_folder() == platformdirs.user_data_path("antarest", appauthor=False)
