"""The house: whose packages these are, that imports run down only, and that nothing grows past its limits."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import ray

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["kernels", "agent", "selfplay", "training", "zeromass"]
FLOORS_OF_AGENT = ["rules", "networks", "search", "players", "engine", "play"]
FACES = ["uci", "terminal", "browser", "analysis", "env"]
OUTSIDE = {"kernels": {"chess", "ray"}, "agent": {"ray", "tensorboard"}, "selfplay": {"tensorboard"}}


def where() -> dict[str, str]:
    """Folder of each of our packages as this process sees it."""
    return {name: str(Path(import_module(name).__file__ or "").resolve().parent) for name in FLOORS[:4]}


def test_the_four_packages_are_ours_here_and_in_a_ray_worker() -> None:
    """PyPI has another package called kernels; a worker must not find that one."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    try:
        assert ray.get(ray.remote(where).remote()) == where() == {name: str(ROOT / name) for name in FLOORS[:4]}
    finally:
        ray.shutdown()


def modules(path: Path) -> set[str]:
    """Dotted names of everything `path` imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def climbing(folder: str, above: set[str], parts: int) -> dict[str, set[str]]:
    """What the files of a folder import whose first `parts` names are among those `above`."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {path: {name for name in modules(path) if ".".join(name.split(".")[:parts]) in above} for path in files}
    return {str(path.relative_to(ROOT)): names for path, names in found.items() if names}


@pytest.mark.parametrize("floor", FLOORS[:4])
def test_imports_run_down_only(floor: str) -> None:
    above = {*FLOORS[FLOORS.index(floor) + 1 :], "benchmarks", "tests", *OUTSIDE.get(floor, ())}
    assert climbing(floor, above, 1) == {}


def test_only_the_kernels_mask() -> None:
    """No hand-written masking anywhere else: no file fills with -inf or takes a softmax of logits over moves."""
    words = ("masked_fill", "-torch.inf", 'float("-inf")', "-1e9", "-1e4", "finfo")
    found = {
        str(path.relative_to(ROOT)): word
        for floor in FLOORS[1:4]
        for path in (ROOT / floor).rglob("*.py")
        for word in words
        if word in path.read_text()
    }
    assert found == {}


@pytest.mark.parametrize("room", [*FLOORS_OF_AGENT, *FACES])
def test_imports_run_down_within_agent(room: str) -> None:
    """Ground first, and no face knows another."""
    floors = FLOORS_OF_AGENT[FLOORS_OF_AGENT.index(room) + 1 :] if room in FLOORS_OF_AGENT else []
    assert climbing(f"agent/{room}", {f"agent.{name}" for name in {*floors, *FACES} - {room}}, 2) == {}


SOURCES = sorted(
    path
    for place in (*FLOORS[:4], "benchmarks", "configs", "docs", "zeromass.py")
    for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)


def definitions() -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Of all sources, each with the name to show."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.name}", node


def test_no_class_is_longer_than_two_hundred_lines() -> None:
    lengths = {name: (n.end_lineno or 0) - n.lineno + 1 for name, n in definitions() if isinstance(n, ast.ClassDef)}
    assert {name: length for name, length in lengths.items() if length > 200} == {}


def test_no_public_function_takes_more_than_eight_parameters() -> None:
    """Except Triton kernels, and the verbs: Typer makes an option of each of their parameters."""
    counts = {}
    for name, node in definitions():
        if isinstance(node, ast.ClassDef) or (node.name.startswith("_") and node.name != "__init__"):
            continue
        decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        if "triton" not in decorators and "app.command" not in decorators:
            arguments = {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
            counts[name] = len(arguments - {"self", "cls", "ctx"})
    assert {name: count for name, count in counts.items() if count > 8} == {}


def test_source_and_tests_stay_small() -> None:
    """A newcomer reads the whole in a day or two: before adding, look for what can go."""
    assert [folder for folder in {path.parent for path in SOURCES} if len(list(folder.glob("*.py"))) > 16] == []
    for paths, most in ((SOURCES, 25_000), ((ROOT / "tests").rglob("*.py"), 17_000)):
        assert sum(len(path.read_text().splitlines()) for path in paths) <= most
