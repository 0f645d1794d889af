"""The house: whose packages these are, that imports run down only, and that nothing grows past its limits."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

import agent
import kernels
import selfplay
import training

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["kernels", "agent", "selfplay", "training", "zeromass"]
FLOORS_OF_AGENT = ["rules", "networks", "search", "players", "engine", "play"]
FACES = ["uci", "terminal", "analysis"]
OUTSIDE = {"kernels": {"chess", "ray"}, "agent": {"ray", "tensorboard"}, "selfplay": {"tensorboard"}}


def where() -> dict[str, str]:
    """Folder of each of our packages as this process sees it."""
    import agent
    import kernels
    import selfplay
    import training

    return {
        package.__name__: str(Path(package.__file__ or "").resolve().parent)
        for package in (agent, kernels, selfplay, training)
    }


def test_the_four_packages_are_ours_in_this_process() -> None:
    assert where() == {name: str(ROOT / name) for name in ("agent", "kernels", "selfplay", "training")}
    assert {package.__name__ for package in (agent, kernels, selfplay, training)} == set(FLOORS[:4])


def test_the_four_packages_are_ours_in_a_ray_worker() -> None:
    """PyPI has another package called kernels; a worker must not find that one."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    try:
        assert ray.get(ray.remote(where).remote()) == where()
    finally:
        ray.shutdown()


def imported(path: Path) -> set[str]:
    """Top-level names of everything `path` imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("floor", FLOORS[:4])
def test_imports_run_down_only(floor: str) -> None:
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"benchmarks", "tests"} | OUTSIDE.get(floor, set())
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    climbing = {str(path.relative_to(ROOT)): imported(path) & above for path in files if imported(path) & above}
    assert climbing == {}


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


def modules(path: Path) -> set[str]:
    """Dotted names of everything `path` imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("room", [*FLOORS_OF_AGENT, *FACES])
def test_imports_run_down_within_agent(room: str) -> None:
    """Ground first, and no face knows another."""
    floors = [*FLOORS_OF_AGENT, FACES]
    above = [*floors[floors.index(room) + 1 :]] if room in floors else [face for face in FACES if face != room]
    names = {f"agent.{name}" for entry in above for name in ([entry] if isinstance(entry, str) else entry)}
    climbing = {
        str(path.relative_to(ROOT)): found
        for path in sorted((ROOT / "agent" / room).rglob("*.py"))
        if (found := {name for name in modules(path) if ".".join(name.split(".")[:2]) in names})
    }
    assert climbing == {}


SOURCES = sorted(
    path
    for place in (*FLOORS[:4], "benchmarks", "configs", "docs", "zeromass.py")
    for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)


def definitions(path: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_class_is_longer_than_two_hundred_lines() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length
        for path in SOURCES
        for node in definitions(path)
        if isinstance(node, ast.ClassDef) and (length := (node.end_lineno or 0) - node.lineno + 1) > 200
    }
    assert long == {}


def test_no_public_function_takes_more_than_eight_parameters() -> None:
    """Except Triton kernels, and the verbs: Typer makes an option of each of their parameters."""
    many = {}
    for path in SOURCES:
        for node in definitions(path):
            if isinstance(node, ast.ClassDef) or (node.name.startswith("_") and node.name != "__init__"):
                continue
            decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            if "triton" in decorators or "app.command" in decorators:
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([argument for argument in arguments if argument.arg not in ("self", "cls", "ctx")])
            if count > 8:
                many[f"{path.relative_to(ROOT)}:{node.name}"] = count
    assert many == {}


def test_no_folder_shows_more_than_sixteen_files() -> None:
    folders = {path.parent for path in SOURCES}
    full = {str(folder.relative_to(ROOT)): size for folder in folders if (size := len(list(folder.glob("*.py")))) > 16}
    assert full == {}


def test_source_and_tests_stay_small() -> None:
    """A newcomer reads the whole in a day or two: before adding, look for what can go."""
    lines = sum(len(path.read_text().splitlines()) for path in SOURCES)
    of_tests = sum(len(path.read_text().splitlines()) for path in (ROOT / "tests").rglob("*.py"))
    assert lines <= 25_000
    assert of_tests <= 17_000
