"""`zeromass verify gpu`: its checks pass on what is right and fail on what is not; here they run on the CPU."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

import kernels
import zeromass
from benchmarks import gpu

CPU = torch.device("cpu")


def test_without_a_gpu_it_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert zeromass.main(["verify", "gpu"]) == 2
    said = capsys.readouterr()
    assert (said.err.startswith("zeromass: there is no GPU that torch can use (torch for"), said.err.count("\n")) == (
        True,
        1,
    )


def test_ops_are_compared_with_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = list(gpu.ops(CPU, (40, 218)))
    assert len(checks) == 6
    assert not any(check.fault for check in checks), checks
    right = kernels.masked_softmax
    for broken, fault in (
        (lambda x, legal: right(x, legal=legal) * 1.001, "off by"),
        (lambda x, legal: right(x, legal=legal) + torch.where(legal, 0, 1e-9), "p is not 0 at illegal entries"),
        (lambda x, legal: right(x, legal=legal) + x.nan_to_num(9.0).max() * 1e-7, "p depends on illegal logits"),
        (lambda x, legal: right(x, legal=legal) + len(x) * 1e-7, "p of a row depends on the others"),
    ):
        monkeypatch.setattr(kernels, "masked_softmax", broken)
        assert fault in next(gpu.ops(CPU, (40,))).fault


def test_the_learner_is_compared_and_a_wrong_mask_must_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parity, mask = gpu.learning(CPU)
    assert (parity.fault, mask.fault) == ("", "")
    assert "the mask is broken" in mask.figures["said"]
    monkeypatch.setattr("agent.networks.meter.InvalidMassMeter.judge", lambda *arguments: 0.0)
    assert list(gpu.learning(CPU))[1].fault == "the meter did not stop the learner"


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("off by 1", 1)])
def test_the_verdict_is_kept(fault: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    for name in ("machine", "ops", "evaluators", "learning", "speeds", "runs"):
        step = Mock(return_value=[gpu.Check(name, fault if name == "ops" else "", {"x": 1})], __name__=name)
        monkeypatch.setattr(gpu, name, step)
    assert zeromass.main(["verify", "gpu"]) == code
    (kept,) = (tmp_path / "runs").glob("verify-gpu-*.json")
    found = json.loads(kept.read_text())
    assert (found["card"], found["passed"], len(found["checks"])) == ("a card", not fault, 6)
    monkeypatch.setattr(gpu, "speeds", Mock(side_effect=RuntimeError("out of memory"), __name__="speeds"))
    assert zeromass.main(["verify", "gpu"]) == 1
