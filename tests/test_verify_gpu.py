"""`zeromass verify gpu`: its checks pass on what is right and fail on what is not; here they run on the CPU."""

import json
import subprocess
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import Mock

import pytest
import torch

import kernels
import zeromass
from agent.networks import registry
from benchmarks import gpu

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def test_without_a_gpu_it_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert zeromass.main(["verify", "gpu"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("zeromass: there is no GPU that torch can use (torch for")
    assert (said.err.count("\n"), said.out) == (1, "")


def test_every_op_is_compared_with_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = list(gpu.ops(DEVICE, (218, 300)))
    assert len(checks) == 6
    assert not any(check.fault for check in checks), checks
    named = {name.partition(",")[0] for name in checks[0].figures["errors"]}
    assert named == {name for name in kernels.__all__ if callable(getattr(kernels, name))} - NO_OPS
    right = kernels.masked_softmax
    for broken, fault in (
        (lambda x, legal: right(x, legal=legal) * 1.001, "masked_softmax is off by"),
        (lambda x, legal: right(x, legal=legal) - torch.where(legal, 0, 1e-9), "is not 0 at illegal entries"),
        (lambda x, legal: right(x, legal=legal) * torch.where(legal, 1, -1), "is not 0 at illegal entries"),
        (lambda x, legal: right(x, legal=legal) + x.nan_to_num(9.0).max() * 1e-7, "depends on illegal logits"),
        (lambda x, legal: right(x, legal=legal) + len(x) * 1e-7, "of a row depends on the others"),
    ):
        monkeypatch.setattr(kernels, "masked_softmax", broken)
        assert fault in next(gpu.ops(DEVICE, (218,))).fault


NO_OPS = {
    "LegalLogProbs", "MaskedCategorical", "PolicyTerms", "RaggedTargets", "Sample", "launches", "reset_launches",
    "resolve_backend", "words_for", "unpack_legal",  # the second undoes pack_legal there
}  # fmt: skip


def test_evaluators_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(check.fault for check in gpu.evaluators(DEVICE))
    make = registry.make_evaluator

    def broken(network: Any, *arguments: Any, **options: Any) -> Any:
        for parameter in network.parameters():
            parameter.data *= 1.1
        return make(network, *arguments, **options)

    monkeypatch.setattr(gpu, "make_evaluator", broken)
    assert "logits are off by" in next(gpu.evaluators(DEVICE)).fault


def test_the_learner_is_compared_and_a_wrong_mask_must_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    parity, mask = gpu.learning(DEVICE)
    assert (parity.fault, mask.fault) == ("", "")
    assert "the mask is broken" in mask.figures["said"]
    monkeypatch.setattr("agent.networks.meter.InvalidMassMeter.judge", lambda *arguments: 0.0)
    assert list(gpu.learning(DEVICE))[1].fault == "the meter did not stop the learner"


def test_a_run_without_the_kernels_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = "run.minutes=null run.steps=2 selfplay.actors=0 selfplay.games=4 selfplay.ply_cap=10 learner.batch_size=8"
    less = "network.blocks=0 network.channels=8 replay.warmup=16 log.steps=1 evaluation.games=0"
    monkeypatch.setattr(gpu, "DEMO", f"train demo network.kind=residual {small} {less}")
    monkeypatch.setenv("PYTHONPATH", str(Path(zeromass.__file__).parent))
    (check,) = gpu.demo(monotonic() + 300)
    assert check.fault == "did not run on Triton: masked_sample, policy_terms, policy_terms_backward"
    assert check.figures["steps"] == 2
    assert check.figures["learner/steps_per_second"] > 0


def test_what_takes_too_long_is_stopped_and_what_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stopped" in next(gpu.speeds(monotonic())).figures
    failed = subprocess.CompletedProcess([], 2, "", "zeromass: it has\n no room\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(RuntimeError, match=r"zeromass benchmark kernels .*: zeromass: it has no room"):
        next(gpu.speeds(monotonic()))


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("off by 1", 1)])
def test_the_verdict_is_kept(fault: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    for name in ("machine", "ops", "evaluators", "learning", "demo", "speeds"):
        monkeypatch.setattr(gpu, name, Mock(return_value=[gpu.Check(name, fault if name == "ops" else "", {"x": 1})]))
    assert zeromass.main(["verify", "gpu"]) == code
    (kept,) = (tmp_path / "runs").glob("verify-gpu-*.json")
    found = json.loads(kept.read_text())
    assert (found["card"], found["passed"], len(found["checks"])) == ("a card", not fault, 6)
    monkeypatch.setattr(gpu, "demo", Mock(side_effect=RuntimeError("out of memory")))
    assert zeromass.main(["verify", "gpu"]) == 1
