"""For the whole suite: one torch thread, so that tests that run side by side do not fight for cores; Ray on this
machine and an empty working folder, for the modules that ask for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end they would run alone."""
    items.sort(key=lambda item: item.path.name != "test_pretended.py")


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    yield
    ray.shutdown()
