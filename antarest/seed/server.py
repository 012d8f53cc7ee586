"""The data of the server itself: its settings, and files for download."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from antarest.core.configdata.model import ConfigData
from antarest.core.filetransfer.model import FileDownload
from antarest.seed.world import END, Row, World

_SETTINGS = {
    "maintenance_mode": False,
    "message_info": {"enabled": True, "content": "The cluster is down on Sunday from 8 to 12."},
}
_DOWNLOADS = 12


def add_server(world: World) -> Iterator[tuple[str, int]]:
    """Add settings, and downloads that are ready, in preparation or failed."""
    settings = [
        {"key": key, "value": json.dumps(value), "owner_id": world.people[-1][0]} for key, value in _SETTINGS.items()
    ]
    yield from world.add(ConfigData, settings)
    yield from world.add(FileDownload, [_download(world, number) for number in range(_DOWNLOADS)])


def _download(world: World, number: int) -> Row:
    ready, failed = number % 3 == 0, number % 5 == 1
    id_ = world.id()
    return {
        "id": id_,
        "name": f"Results of simulation {number + 1}",
        "filename": f"results-{number + 1}.zip",
        "path": f"/data/downloads/{id_}.zip",
        "ready": ready and not failed,
        "expiration_date": END + timedelta(days=number + 1) if ready and not failed else None,
        "error_message": "No space left on the device" if failed else None,
        "owner_id": world.owner()[0],
    }
