"""The matrix store: matrices of time series with their hash as id, and the datasets that contain these matrices."""

from __future__ import annotations

from collections.abc import Iterator

from antarest.matrixstore.model import DataSet, DataSetGroup, DataSetMatrix, Matrix
from antarest.seed.world import Row, World

_HOURS = 8760
_SUBJECTS = ("Load", "Wind onshore", "Wind offshore", "Solar", "Hydro inflow", "Outages", "Link capacities")
_SOURCES = ("climate database", "national forecast", "measured", "regional model")


def add_matrices(world: World, datasets: int) -> Iterator[tuple[str, int]]:
    """Add datasets with a few matrices each. Some matrices are in several datasets."""
    matrices = [_matrix(world) for _ in range(datasets * 4)]
    rows = [_dataset(world) for _ in range(datasets)]
    named: list[Row] = []
    groups: list[Row] = []
    for row in rows:
        years = sorted(world.random.sample(range(1982, 2020), world.random.randint(2, 8)))
        chosen = world.random.choices(matrices, k=len(years))
        named += [
            {"dataset_id": row["id"], "name": f"climate year {year}", "matrix_id": matrix["id"]}
            for year, matrix in zip(years, chosen, strict=True)
        ]
        groups += [{"dataset_id": row["id"], "group_id": group} for group in world.some(world.groups, most=3)]
    yield from world.add(Matrix, matrices)
    yield from world.add(DataSet, rows)
    yield from world.add(DataSetMatrix, named)
    yield from world.add(DataSetGroup, groups)


def _matrix(world: World) -> Row:
    width = world.random.choice((1, 1, 1, 6, 200))
    return {
        "id": f"{world.random.getrandbits(256):064x}",
        "width": width,
        "height": _HOURS,
        "created_at": world.moment(),
    }


def _dataset(world: World) -> Row:
    created = world.moment()
    name = f"{world.random.choice(_SUBJECTS)}, {world.random.choice(_SOURCES)}"
    times = {"created_at": created, "updated_at": world.moment(created)}
    return {"id": world.id(), "name": name, "public": world.chance(0.3), **times, "owner_id": world.owner()[0]}
