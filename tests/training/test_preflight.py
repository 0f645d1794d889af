"""Runs that ask for GPUs: refused before anything starts where there are too few, and told why actors cannot start."""

import ctypes
import itertools
import re
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import ray
import torch

import zeromass
from agent.errors import InputError
from agent.networks.network import autocast_dtype
from agent.networks.residual.evaluator import graph_size
from kernels.ops import backend
from tests.tables import table
from training import preflight
from training.cluster import ray_for
from training.doctor import examine
from training.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("gpus", "more", "told"), table("gpus"))
def test_too_few_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gpus: str, more: str, told: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(gpus))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus != "0")
    words = ["train", "gpu", f"run.folder={tmp_path}", "run.steps=1", "run.minutes=null", *more.split()]
    assert zeromass.main(words) == 2
    said = capsys.readouterr()
    assert (told in said.err, said.out, list(tmp_path.iterdir())) == (True, "", [])


def test_a_cluster_with_too_few_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.cluster._join", lambda address: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": 1.0})
    joined = ray_for(load_settings("gpu", ["selfplay.actors=5"]), "here:1")
    with pytest.raises(InputError, match=r"5 x selfplay.gpus=0.25\), and Ray cluster 'here:1' has 1"), joined:
        pass


def test_shares_fit_as_by_trying_every_place() -> None:
    def placed(shares: tuple[float, ...], gpus: int) -> bool:
        for places in itertools.product(range(gpus), repeat=len(shares)):
            loads = [sum(s for s, at in zip(shares, places, strict=True) if at == gpu) for gpu in range(gpus)]
            if max(loads, default=0.0) <= 1 + 1e-9:
                return True
        return not shares

    sizes = (0.25, 0.5, 1.0)  # for these the largest first is never wrong
    for number, gpus in itertools.product(range(6), range(4)):
        for shares in itertools.combinations_with_replacement(sizes, number):
            assert preflight._fit(sorted(shares, reverse=True), gpus) == placed(shares, gpus), (shares, gpus)
    assert preflight._fit([2.0, 1.0], 3)
    assert not preflight._fit([2.0, 0.5, 0.6], 3)


def test_half_precision_is_what_the_gpu_computes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {torch.bfloat16: [(10, 0), (9, 0), (8, 0)], torch.float16: [(7, 5), (7, 0)], torch.float32: [(6, 1)]}
    for dtype, capabilities in wanted.items():
        for capability in capabilities:
            monkeypatch.setattr(torch.cuda, "get_device_capability", Mock(return_value=capability))
            assert autocast_dtype(torch.device("cuda")) == dtype
            assert autocast_dtype(torch.device("cpu")) == torch.float32


def test_graphs_are_hardly_larger_than_their_batches() -> None:
    for length in range(17, 3000):
        assert length <= graph_size(length) < 1.5 * length
    assert [graph_size(length) for length in (1, 64, 463, 512, 1024)] == [16, 64, 512, 512, 1024]


@pytest.mark.parametrize(("more", "missing"), table("too_short"))
def test_a_run_without_a_step_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, missing: str
) -> None:
    few = "network.width=64 network.hidden=32 selfplay.actors=0 selfplay.games=8 evaluation.games=0 run.name=it"
    assert zeromass.main(["train", "cpu", f"run.folder={tmp_path}", *few.split(), *more.split()]) == 1
    said = capsys.readouterr().out
    assert f"it: ended without {missing}; train longer" in said
    assert "done" not in said


def test_a_gpu_without_triton_is_told_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_faults", ["no C compiler"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    monkeypatch.delenv("ZEROMASS_KERNELS_BACKEND", raising=False)
    assert preflight.kernels_note(torch.device("cpu")) == ""
    assert preflight.kernels_note(torch.device("cuda")).startswith("Triton cannot run here (no C compiler); the")
    report = examine()
    assert report.kernels_backend == "torch"
    assert report.paths[0]["reason"] == "Triton cannot run here: no C compiler"


@pytest.mark.parametrize(("answer", "expected"), [(0, ("550.54.14", 2)), (18, ("error 18", 0)), (None, ("", 0))])
def test_the_driver_is_asked_through_its_own_library(
    answer: int | None, expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(text: Any, length: int) -> int:
        text.value = b"550.54.14"
        return 0

    def number(count: Any) -> int:
        count._obj.value = 2
        return 0

    library = Mock(nvmlInit_v2=lambda: answer, nvmlSystemGetDriverVersion=version, nvmlDeviceGetCount_v2=number)
    monkeypatch.setattr(ctypes, "CDLL", Mock(side_effect=[OSError() if answer is None else library]))
    assert preflight.nvidia_driver() == expected


@pytest.mark.parametrize(("cuda", "driver", "usable", "advice"), table("drivers"))
def test_doctor_names_cuda_and_driver_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, cuda: str, driver: str, usable: str, advice: str
) -> None:
    built = None if cuda == "-" else cuda
    state, found = preflight.cuda_state(built, driver, 1, usable == "yes")
    assert (advice in found, bool(found)) == (True, bool(advice))
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("training.doctor.nvidia_driver", lambda: (driver, 1))
    if usable == "no":
        report, build = examine(), f"CUDA {built}" if built else "CPUs only"
        assert report.cuda == state == f"torch for {build}, NVIDIA driver {driver or 'none'}"
        assert (found in report.limits) == bool(found)


def test_make_takes_another_build_of_torch() -> None:
    def commands(*words: str) -> list[str]:
        done = subprocess.run(["make", "-nB", ".venv/.installed", *words], cwd=ROOT, capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if "pip install" in line]

    locked, rest = commands()
    assert locked.endswith("--require-hashes --no-deps -r requirements.lock")
    same, other, last = commands("TORCH_INDEX=https://example.org/cpu")
    assert (same, last) == (locked, rest)
    assert other.endswith("-c constraints.txt --no-deps --index-url https://example.org/cpu torch")


def test_every_dependency_but_torch_is_locked_by_its_hashes() -> None:
    """`make lock` writes the file; it must follow constraints.txt."""
    one = r"^([\w-]+==[\w.]+)[^\n]*(?: \\\n +--hash=sha256:[0-9a-f]{64})+$"
    pins = set(re.findall(one, (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted = {line.lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"}
    assert wanted - pins == {"torch==2.13.0"}
