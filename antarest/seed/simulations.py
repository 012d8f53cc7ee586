"""Simulations with their output, and background tasks with their messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import update

from antarest.core.tasks.model import TaskJob, TaskJobLog, TaskStatus, TaskType
from antarest.launcher.model import JobLog, JobLogType, JobResult, JobStatus
from antarest.seed.world import END, Row, World
from antarest.study.variantstudy.model import VariantStudy

_PREPARING = ("Export of the study to the cluster", "Waiting for a free node", "Files copied: {files}")
_RUNNING = ("Reading the input", "Year {year} of 200 solved", "Writing the results")
_TASKS = {
    TaskType.ARCHIVE: "Archive the study {name}",
    TaskType.COPY: "Copy the study {name}",
    TaskType.EXPORT: "Export the study {name}",
    TaskType.UPGRADE_STUDY: "Upgrade the study {name}",
    TaskType.VARIANT_GENERATION: "Generate the variant {name}",
}


def add_jobs(world: World, studies: list[Row]) -> Iterator[tuple[str, int]]:
    """Add simulations for about every third study, with their output."""
    jobs = [_job(world, row) for row in studies for _ in range(world.random.choice((0, 0, 0, 0, 1, 2)))]
    yield from world.add(JobResult, jobs)
    yield from world.add(JobLog, [line for job in jobs for line in _printed(world, job)])


def _job(world: World, study: Row) -> Row:
    status = world.random.choices(list(JobStatus), [2, 2, 85, 11])[0]
    began = world.moment(study["created_at"])
    ended = status in {JobStatus.SUCCESS, JobStatus.FAILED}
    stats = {"duration": world.random.randint(60, 14400), "optimizations": world.random.randint(52, 10400)}
    return {
        "id": world.id(),
        "study_id": study["id"],
        "launcher": world.random.choice(("local", "slurm", "slurm", "slurm")),
        "job_status": status,
        "creation_date": began,
        "completion_date": began + timedelta(seconds=stats["duration"]) if ended else None,
        "exit_code": int(status is JobStatus.FAILED) if ended else None,
        "solver_stats": json.dumps(stats) if status is JobStatus.SUCCESS else None,
        "owner_id": world.owner()[0],
    }


def _printed(world: World, job: Row) -> Iterator[Row]:
    numbers = {"files": world.random.randint(200, 20000), "year": world.random.randint(1, 200)}
    for kind, lines in ((JobLogType.BEFORE, _PREPARING), (JobLogType.AFTER, _RUNNING)):
        if kind is JobLogType.BEFORE or job["completion_date"]:
            for line in lines:
                yield {"message": line.format(**numbers), "log_type": kind, "job_id": job["id"]}


def add_tasks(world: World, studies: list[Row]) -> Iterator[tuple[str, int]]:
    """Add tasks for about every second study, with their messages. Some of the tasks generate variants."""
    tasks = [_task(world, row) for row in studies if world.chance(0.5)]
    running = [_generation(world, row) for row in studies if row["parent_id"] and not row["path"] and world.chance(0.1)]
    tasks += running
    yield from world.add(TaskJob, tasks)
    yield from world.add(TaskJobLog, [{"message": said, "task_id": t["id"]} for t in tasks for said in _said(t)])
    if running:
        world.session.execute(
            update(VariantStudy), [{"id": task["ref_id"], "generation_task_id": task["id"]} for task in running]
        )


def _task(world: World, study: Row) -> Row:
    kinds = [kind for kind in _TASKS if kind is not TaskType.VARIANT_GENERATION or study["parent_id"]]
    kind = world.random.choice(kinds)
    statuses = {TaskStatus.COMPLETED: 90, TaskStatus.FAILED: 6, TaskStatus.CANCELLED: 3, TaskStatus.TIMEOUT: 1}
    status = world.random.choices(list(statuses), list(statuses.values()))[0]
    began = world.moment(study["created_at"])
    result = {
        "success": status is TaskStatus.COMPLETED,
        "message": "" if status is TaskStatus.COMPLETED else "see logs",
    }
    return {
        "id": world.id(),
        "name": _TASKS[kind].format(name=study["name"]),
        "type": kind,
        "status": status,
        "creation_date": began,
        "completion_date": began + timedelta(seconds=world.random.randint(1, 600)),
        "result": json.dumps(result),
        "owner_id": world.owner()[0],
        "ref_id": study["id"],
    }


def _generation(world: World, study: Row) -> Row:
    """Return a running task that generates the files of a variant."""
    began = END - timedelta(seconds=world.random.randint(1, 1200))
    still = {"status": TaskStatus.RUNNING, "creation_date": began, "completion_date": None, "result": None}
    return {**_task(world, study), "type": TaskType.VARIANT_GENERATION, **still}


def _said(task: Row) -> list[str]:
    ends = {TaskStatus.COMPLETED: "Done", TaskStatus.RUNNING: "Command 3 of 7"}
    return ["Started", ends.get(task["status"], f"Ended: {task['status'].name.lower()}")]
