"""The house: whose packages these are, and that imports run down only."""

import ast
from pathlib import Path

import pytest
import ray

import agent
import kernels
import selfplay
import training

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["kernels", "agent", "selfplay", "training", "zeromass"]
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
    """No hand-written masking anywhere else: nobody fills with -inf or softmaxes logits over moves."""
    words = ("masked_fill", "-torch.inf", 'float("-inf")', "-1e9", "-1e4", "finfo")
    found = {
        str(path.relative_to(ROOT)): word
        for floor in FLOORS[1:4]
        for path in (ROOT / floor).rglob("*.py")
        for word in words
        if word in path.read_text()
    }
    assert found == {}
