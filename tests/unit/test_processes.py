"""A forked Python is like a new Python: each program runs in both ways, with the same results."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.both_ways import HANGS, PROGRAMS, STATE, both, code, started
from tests.support.programs.processes import FRESH_VARIABLE, Popen
from tests.support.projects.checkouts import ROOT


def is_forked(*command: str | Path, **options: Any) -> bool:
    """Return whether a program that prints its own command line is forked."""
    ended, out, err = started(*command, **options)
    assert ended == 0, err
    return "forkserver.py" in out


LINE = "print(open('/proc/self/cmdline').read())"


@pytest.fixture(autouse=True)
def _forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork here, even if all other tests start new processes."""
    monkeypatch.delenv(FRESH_VARIABLE, raising=False)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with programs that print their state."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    for name in ("package/__main__.py", "module.py", "file.py"):
        (tmp_path / name).write_text(f'"""What it is."""\n{STATE}')
    (tmp_path / "link.py").symlink_to("package/__main__.py")
    return tmp_path


STARTS: dict[str, tuple[str | Path, ...]] = {
    "code": ("python", "-c", STATE, "-c", "argument"),
    "module": ("python3", "-m", "module", "--flag", "", "ü"),
    "package": (sys.executable, "-m", "package"),
    "file": ("python", "file.py", "-x"),
    "link": ("python", "./link.py"),
}


@pytest.mark.parametrize("command", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("options", [{}, {"start_new_session": True}, {"process_group": 0, "umask": 0o27}])
def test_it_finds_what_a_new_one_finds(files: Path, command: tuple[str, ...], options: dict[str, Any]) -> None:
    env = {"PYTHONPATH": f"{files}:there::{ROOT}", "ODD": "= ü\n"}
    found: list[dict[str, Any]] = []
    mask = os.umask(0o77)
    try:
        ends = [started(*command, fresh=fresh, cwd=files, env=env, **options) for fresh in (True, False)]
    finally:
        os.umask(mask)
    for ended, out, err in ends:
        assert (ended, err) == (0, "")
        found.append(json.loads(out.replace(f'"{FRESH_VARIABLE}": "1"', f'"{FRESH_VARIABLE}": ""')))

    assert found[1] == found[0]
    assert found[1]["family"][0] == os.getpid()
    assert found[1]["ours"] == []


def test_it_finds_another_package_with_the_name_of_ours(tmp_path: Path) -> None:
    (tmp_path / "antarest").mkdir()
    (tmp_path / "antarest" / "__init__.py").write_text("name = 'another'")

    ended, out, err = started("python", "-c", f"import antarest\nprint(antarest.name)\n{LINE}", cwd=tmp_path)

    assert (ended, err) == (0, "")
    assert out.startswith("another\n")
    assert "forkserver.py" in out


def test_a_script_of_the_environment_is_forked_too(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "import json, sys\nfrom invoke import task\n@task\ndef state(context, flag=False):\n"
        "    print(json.dumps([flag, sys.argv, sys.orig_argv, sys.path, sys.modules['__main__'].__file__]))\n"
        "    print('forkserver' in open('/proc/self/cmdline').read(), file=sys.stderr)\n"
    )
    said = [
        started("inv", "state", "--flag", fresh=fresh, cwd=tmp_path, env={"PYTHONPATH": ""}) for fresh in (True, False)
    ]

    assert said[0][:2] == said[1][:2]
    assert [err for _, _, err in said] == ["False\n", "True\n"]


ENDS = {
    "nothing": "print('done')",
    "unflushed": "import sys; sys.stdout.write('out'); sys.stderr.write('err')",
    "number": "import sys; sys.exit(3)",
    "text": "import sys; sys.exit('why')",
    "odd": "raise SystemExit(-1)",
    "at once": "import os; print('lost'); os._exit(9)",
    "error": "def fail():\n    1 / 0\nfail()",
    "chain": "try:\n    1 / 0\nexcept ValueError: pass\nfinally:\n    int('x')",
    "hook": "import sys\nsys.excepthook = lambda *error: print('hook', error[0])\n1 / 0",
    "interrupt": "import atexit; atexit.register(print, 'at exit')\nraise KeyboardInterrupt",
    "killed": "import os, signal; print('lost'); os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "abort": "import os; os.abort()",
    "pipe": "import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGPIPE)",
    "at exit": "import atexit; atexit.register(print, 'at exit'); print('before'); 1 / 0",
    "thread": "import threading, time\nthreading.Thread(target=lambda: [time.sleep(.2), print('late')]).start()",
    "no output": "import os, sys; print('lost'); os.close(1)",
    "deleted": "class Last:\n    def __del__(self): print('deleted')\nlast = Last()",
    "in a module": "import sys, weakref\nclass Last:\n    def __del__(self): print('deleted')\n"
    "import sqlalchemy\nlast = Last(); last.itself = last; del last",
    "unraisable": "class Last:\n    def __del__(self): 1 / 0\nlast = Last()",
    "input": "import sys; print([*sys.stdin], sys.stdin.read())",
    "warning": "import warnings; warnings.warn('odd')",
    "import": "import nothing_of_this_name",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS)
def test_it_ends_as_a_new_one_ends(text: str) -> None:
    both(*code(text), stdin="one\r\ntwo\n")


def test_the_ends_are_different_ones() -> None:
    found = {name: started(*code(text)) for name, text in ENDS.items()}

    assert found["interrupt"][:2] == (-signal.SIGINT, "at exit\n")
    assert "\nKeyboardInterrupt\n" in found["interrupt"][2]
    assert found["killed"][0] == -signal.SIGKILL
    assert found["error"][2].startswith('Traceback (most recent call last):\n  File "<string>", line 3, in <module>\n')


@pytest.mark.parametrize("command", [("python", "-m", "nothing_of_this_name"), ("python", "nothing.py"), ("inv", "-x")])
def test_a_program_that_cannot_begin_says_so_in_the_same_words(command: tuple[str, ...], tmp_path: Path) -> None:
    assert both(*command, cwd=tmp_path)[0] != 0


def test_output_may_be_a_file_and_errors_may_go_the_same_way(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb+") as out:
        both(
            *code("import sys; print('a', flush=True); print('b', file=sys.stderr)"),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    assert (tmp_path / "out").read_text() == "a\nb\n" * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_it_and_its_group_as_soon_as_its_number_is_known(number: signal.Signals) -> None:
    endless = (
        "import time\nwhile True: time.sleep(0.01)"  # one long sleep may begin just after the signal, in any Python
    )
    for _ in range(20):
        with Popen(code(endless), start_new_session=True, stderr=subprocess.DEVNULL) as process:
            os.killpg(process.pid, number)

            assert process.wait(HANGS) == -number


def test_what_takes_too_long_can_be_killed() -> None:
    with Popen(code("import time; time.sleep(600)"), stdout=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.1)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_no_two_draw_the_same_numbers() -> None:
    drawn = {started(*code("import random, tempfile, uuid; print(random.random(), uuid.uuid4())"))[1] for _ in range(3)}

    assert len(drawn) == 3


def test_nothing_that_is_imported_has_a_generator_of_its_own() -> None:
    """A fork would copy such a generator, and its next numbers."""
    text = """
import gc, random
gc.unfreeze()
print([each for each in gc.get_objects() if type(each) is random.Random and each is not random._inst])
"""

    assert started(*code(text))[1] == "[]\n"


def test_the_code_of_its_path_is_what_it_imports(tmp_path: Path) -> None:
    for name in ("antarest", "tests", "tasks"):
        (tmp_path / f"{name}.py").write_text(f"print({name!r}, __file__)")
    text = f"import antarest, tests, tasks, sqlalchemy; {LINE}"

    out = started(*code(text), env={"PYTHONPATH": str(tmp_path)}, cwd="/")[1]

    assert out.count(str(tmp_path)) == 3
    assert "forkserver.py" in out


def test_many_run_at_once_and_in_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda number: started(*code(f"import sys; print({number}); sys.exit({number})")), range(24))
        )

    assert found == [(number, f"{number}\n", "") for number in range(24)]


# ---- where a new Python is started


def limit() -> None:
    """Do nothing."""


NEW: dict[str, dict[str, Any]] = {
    "switch": {"fresh": True},
    "seed": {"env": {"PYTHONHASHSEED": "7"}},
    "mode": {"env": {"PYTHONUTF8": "0"}},
    "zone": {"env": {"TZ": "Asia/Tokyo"}},
    "locale": {"env": {"LC_MESSAGES": "other"}},
    "hook": {"preexec_fn": limit},
    "account": {"user": os.getuid(), "group": os.getgid()},
    "open": {"close_fds": False},
    "long": {"env": {"LONG": "x" * 101_000}},
}


@pytest.mark.parametrize("options", NEW.values(), ids=NEW)
def test_a_new_one_is_started_where_a_fork_is_not_the_same(options: dict[str, Any]) -> None:
    assert is_forked(*code(LINE))
    assert not is_forked(*code(LINE), **options)


def test_what_python_does_not_read_makes_no_difference() -> None:
    """An example is the variable of the Makefile: `make test PYTHON=python3.13`."""
    assert is_forked(*code(LINE), env={"PYTHON": "python3.13", "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("flag", ["-u", "-S", "-P", "-I", "-Xdev", "-Werror"])
def test_a_new_one_is_started_for_a_flag_of_python(flag: str) -> None:
    assert not is_forked("python", flag, "-c", LINE)


def test_a_new_one_is_started_in_another_environment(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)

    assert not is_forked(tmp_path / "python", "-c", LINE)


@pytest.mark.parametrize("name", ["yaml.py", "sqlalchemy/__init__.py", "json.py", "sitecustomize.py"])
@pytest.mark.parametrize("where", ["path", "folder"])
def test_a_new_one_is_started_where_its_path_has_a_module_of_that_name(tmp_path: Path, name: str, where: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    options: dict[str, Any] = {"env": {"PYTHONPATH": str(tmp_path)}} if where == "path" else {"cwd": tmp_path}
    assert is_forked(*code(LINE), **options)

    (tmp_path / name).write_text("")

    assert not is_forked(*code(LINE), **options)


@pytest.mark.parametrize("fresh", ["", "1"])
def test_a_program_or_a_folder_that_is_not_there_is_an_error(tmp_path: Path, fresh: str) -> None:
    for command, folder in ((("nothing", "-c", ""), tmp_path), (code(""), tmp_path / "nothing")):
        with pytest.raises(FileNotFoundError, match="nothing"):
            Popen(command, cwd=folder, env={**os.environ, "PATH": str(PROGRAMS), FRESH_VARIABLE: fresh})


def test_a_copy_of_the_repository_forks_its_own_modules(tmp_path: Path) -> None:
    """The modules that are installed are those of another folder. Mutations change a file of a copy."""
    programs, package = tmp_path / "tests" / "support" / "programs", tmp_path / "antarest" / "migration"
    shutil.copytree(ROOT / "tests" / "support" / "programs", programs)
    package.mkdir(parents=True)
    for folder in (programs.parents[1], programs.parent, package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "mark.py").write_text("")
    asks = "import antarest.migration.mark as mark; print(mark.__file__, open('/proc/self/cmdline').read())"
    starts = (
        "import subprocess, sys; from tests.support.programs.processes import Popen; "
        "print(Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True).communicate()[0])"
    )

    ended, out, err = started(
        *code(starts), *code(asks), cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path), FRESH_VARIABLE: ""}
    )

    assert ended == 0, err
    assert str(package / "mark.py") in out
    assert "forkserver.py" in out
