"""The compile cache: never stale, shared by processes that start at once, and found again."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from kernels import compilation

ROOT = Path(__file__).resolve().parents[2]

CALLEE = "from agent.compilation import njit\n\n@njit\ndef inner(x):\n    return x + {number}\n"
CALLER = (
    "from agent.callee import inner\nfrom agent.compilation import njit, on_warm_up\n\n"
    "@njit\ndef outer(x):\n    return 10 * inner(x)\n\n"
    "@on_warm_up\ndef _exercise():\n    outer(1)\n"
)
RUN = """
from agent import caller, compilation
lines = []
done = compilation.warm_up(lines.append)
print(caller.outer(1), done, lines)
"""


def command(folder: Path, code: str = RUN, **environment: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), **environment}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=variables, text=True, **pipes)


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for package in ("agent", "kernels"):
        (tmp_path / package).mkdir()
        shutil.copy(ROOT / package / "compilation.py", tmp_path / package)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "agent" / "callee.py").write_text(CALLEE.format(number=1))
    (tmp_path / "agent" / "caller.py").write_text(CALLER)
    return tmp_path


def test_an_edit_in_a_callee_never_runs_stale_code(project: Path) -> None:
    compiling, cached = "2 ['compiling agent.caller ...', 'compiling agent.callee ...']", "0 []"
    # Set to debug other programs; as plain Python our code cannot run.
    assert finish(command(project, NUMBA_DISABLE_JIT="1")) == f"20 {compiling}"
    assert finish(command(project)) == f"20 {cached}"
    for source in (project / "agent").glob("*.py"):  # as a checkout does, or a copy to another node
        os.utime(source, (1, 1))
    assert finish(command(project)) == f"20 {cached}"
    for number, answer in ((2, f"30 {compiling}"), (1, f"20 {cached}")):
        (project / "agent" / "callee.py").write_text(CALLEE.format(number=number))
        assert finish(command(project)) == answer


def test_other_packages_beside_ours_are_not_followed(project: Path) -> None:
    # As in site-packages, where every dependency lies beside agent/.
    (project / "numpylike.py").write_text("import agent.callee\n")
    (project / "agent" / "caller.py").write_text("import numpylike\n")
    code = "from pathlib import Path; from kernels import compilation; print({})"
    sources = "[p.name for p in compilation.compiled_sources(Path('agent/caller.py').resolve())]"
    assert finish(command(project, code.format(sources))) == "['caller.py']"


def test_processes_that_start_at_once_compile_once(project: Path) -> None:
    outputs = [finish(process) for process in [command(project) for _ in range(3)]]
    assert {output.split()[0] for output in outputs} == {"20"}
    assert sorted(output.split()[1] for output in outputs) == ["0", "0", "2"]


def test_a_process_that_lacks_nothing_does_not_wait(project: Path) -> None:
    """A chess program gives an engine seconds to be ready, whatever else is compiled on the machine."""
    assert finish(command(project)).startswith("20 2 [")
    with contextlib.ExitStack() as held:
        for folder in (project / "cache" / "zeromass").iterdir():
            held.enter_context(compilation.locked(folder / "warm-up.lock"))
        assert finish(command(project)) == "20 0 []"
        (project / "agent" / "callee.py").write_text(CALLEE.format(number=3))
        code = "from pathlib import Path; from agent import compilation; print(compilation.cache_folder({}))"
        folder = Path(finish(command(project, code.format("Path('agent/caller.py').resolve()"))))
        held.enter_context(compilation.locked(folder / "warm-up.lock"))
        waiting = command(project, RUN.replace("lines.append", "lambda line: print(line, flush=True)"))
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "another process compiles the same; waiting for it ...\n"
    assert finish(waiting).endswith("40 2 []")


def test_signatures_compiled_at_once_do_not_mix(project: Path) -> None:
    # Without a lock around the index, one process's machine code could land under the other's signature.
    code = "from agent import caller; import sys; print(caller.outer({argument}))"
    arguments = ("1", "1.5", "1.5 + 0j")
    for _ in ("compiled", "cached"):
        processes = [command(project, code.format(argument=argument)) for argument in arguments]
        assert [finish(process) for process in processes] == ["20", "25.0", "(25+0j)"]


def test_sources_are_followed_through_imports(tmp_path: Path) -> None:
    agent = ROOT / "agent"
    sources = compilation.compiled_sources(agent / "rules" / "movegen.py")
    below = {ROOT / "kernels" / "compilation.py", ROOT / "kernels" / "splitmix.py"}
    assert {*below, agent / "compilation.py", agent / "vocabulary.py", agent / "rules" / "bits.py"} <= sources
    assert agent / "rules" / "step.py" not in sources
    assert all(source.is_relative_to(agent) for source in sources - below)
    loops = ROOT / "kernels" / "on_numba"
    assert loops / "rows.py" in compilation.compiled_sources(loops / "softmax.py")
    assert agent / "rules" / "movegen.py" in compilation.compiled_sources(ROOT / "benchmarks" / "rules.py")
    assert agent / "uci" / "engine.py" not in sources
    modules = [agent / "rules/bits.py", agent / "rules/step.py", tmp_path / "before.py", tmp_path / "after.py"]
    for path in modules[2:]:  # a module that moved: the machine code in the old folder names one that is gone
        path.write_text("x = 1\n")
    assert len(set(map(compilation.cache_folder, modules))) == 4


Run = Callable[[], tuple[int, list[str]]]
COMPILED, CACHED = (1, ["compiling double ..."]), (0, list[str]())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Compiles a function or loads it: how many were compiled, and what was said."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "cache").mkdir()
    source, names = tmp_path / "double.py", {"__name__": "double"}
    source.write_text("def double(x):\n    return 2 * x\n")
    exec(compile(source.read_text(), source, "exec"), names)

    def run() -> tuple[int, list[str]]:
        said: list[str] = []
        with compilation.watched(said.append) as compilations:
            assert compilation.njit(cast(Any, names["double"]))(21) == 42
        return compilations.count, said

    caches = compilation.base_folder, compilation.cache_folder, compilation._say_no_cache
    for cache in caches:
        cache.cache_clear()
    yield run
    for cache in caches:
        cache.cache_clear()


def with_checksum(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[: len(data) // 2].ljust(len(data), b"\0"),  # as a crash of the system leaves it
        lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
        lambda data: b"\x80\x05 this is no pickle",
        lambda data: with_checksum(b"\x80\x05 this is no pickle"),
        lambda data: with_checksum(b"N."),  # None
        lambda data: with_checksum(b"\x80\x05]\x94(K\x01K\x02e."),  # [1, 2]: of another key
    ],
)
def test_a_damaged_entry_is_compiled_again_and_replaced(
    tmp_path: Path, run: Run, damage: Callable[[bytes], bytes]
) -> None:
    assert [run(), run()] == [COMPILED, CACHED]
    (entry,) = (tmp_path / "cache").glob("zeromass/*/*.nbc")
    entry.write_bytes(damage(entry.read_bytes()))
    assert [run(), run()] == [COMPILED, CACHED]


no_room = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))


def open_to_others(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder, patch: patch.setattr(os, "replace", no_room),
        lambda folder, patch: patch.setenv("NUMBA_CACHE_DIR", "/proc"),
        lambda folder, patch: (folder / "cache/zeromass").write_text("a file"),
        lambda folder, patch: patch.setattr(os, "getuid", lambda: 4242),
        lambda folder, patch: open_to_others(compilation.cache_folder(folder / "double.py")),
    ],
    ids=["full", "read-only", "no folder", "of others", "open to others"],
)
def test_without_a_cache_all_works_and_one_sentence_says_so(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    spoil(tmp_path, monkeypatch)
    count, (compiling, sentence) = run()
    assert (count, [compiling]) == COMPILED
    assert re.fullmatch(r"compiled code cannot be kept in '.*' \(.+\), so every .*; set NUMBA_CACHE_DIR .*", sentence)
    assert run() == COMPILED


def test_a_cache_that_cannot_be_written_is_read(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_others(tmp_path / "cache/zeromass")  # one's own: it is closed
    assert run() == COMPILED
    monkeypatch.setattr(os, "replace", no_room)
    assert run() == CACHED


@pytest.mark.parametrize("names", [(), ("HOME",), ("HOME", "XDG_CACHE_HOME"), ("NUMBA_CACHE_DIR",)])
@pytest.mark.parametrize("place", ["cache", "double.py"])
def test_a_user_needs_no_name_and_no_home(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], place: str
) -> None:
    """`double.py` is a file where a folder is wanted."""
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    assert [run(), run()] == [COMPILED, CACHED]
    folder = compilation.base_folder()
    below = {(): "", ("HOME",): "cache/.cache"}.get(names, "cache") if place == "cache" else ""
    assert folder == tmp_path / (f"{below}/zeromass" if below else f"temporary/zeromass-{os.getuid()}")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("planted", ["cache-{}", "zeromass-{}"])
def test_what_others_planted_among_temporary_files_is_not_used(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """Neither a folder of theirs, in which they could exchange ours, nor a link to one that must stay as it is."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc")
    trap, victim = tmp_path / "temporary" / planted.format(os.getuid()), tmp_path / "victim"
    open_to_others(victim)
    trap.parent.mkdir()
    open_to_others(trap) if planted.startswith("cache") else trap.symlink_to(victim)
    assert run()[0] == 1
    assert trap not in compilation.base_folder().parents
    assert list(trap.iterdir()) == []
    assert victim.stat().st_mode & 0o777 == 0o777


@pytest.mark.slow
def test_the_rules_are_cached(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); " + (
        "from agent import compilation; from agent.networks.residual import planes; n = compilation.warm_up(); "
        "print(n > 20, n == 0)"
    )
    assert [finish(command(tmp_path, code)), finish(command(tmp_path, code))] == ["True False", "False True"]
