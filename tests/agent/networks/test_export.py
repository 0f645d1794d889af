"""ONNX models agree with the networks in torch, and their masks hold."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import zeromass
from agent import rules
from agent.api import load
from agent.networks.export import onnx_inputs
from agent.networks.policy import MaskedPolicy
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.weights import save_weights
from benchmarks.search import midgames


@pytest.mark.parametrize("kind", ["sparse", "residual"])
def test_onnx_runtime_agrees_with_torch(kind: str, tmp_path: Path) -> None:
    """On 1,000 positions of random games, and a mate."""
    path, out = tmp_path / "residual.safetensors", tmp_path / "network.onnx"
    torch.manual_seed(0)
    network = ResidualNetwork(ResidualArchitecture(blocks=2, channels=16))
    for parameter in network.parameters():  # fresh heads are nearly indifferent, fresh branches off
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_weights(path, network, {"run": "test"})
    weights = ["--weights", str(path)] if kind == "residual" else []
    assert zeromass.main(["export", "onnx", *weights, "--out", str(out)]) == 0
    model = load(path if weights else None)
    mate = rules.from_fen("7k/6Q1/5K2/8/8/8/8/8 b - - 0 1")[None]
    packed = np.concatenate([*(midgames(250, plies).positions for plies in (2, 12, 40, 90)), mate])
    expected = model.evaluate(packed)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    policy, wdl = session.run(["policy", "wdl"], onnx_inputs(model.weights, packed))
    np.testing.assert_allclose(policy, expected.policy, atol=1e-5)
    np.testing.assert_allclose(wdl, expected.wdl, atol=1e-5)
    assert expected.policy.max(1)[:-1].std() > 0.01
    legal = MaskedPolicy(torch.zeros(policy.shape), torch.from_numpy(rules.legal_bits(packed))).probabilities > 0
    np.testing.assert_array_equal(np.where(legal.numpy(), policy < 1e-30, policy == 0), expected.policy < 1e-30)
    (single,) = session.run(["policy"], onnx_inputs(model.weights, packed[:1]))
    np.testing.assert_allclose(single, policy[:1], atol=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["architecture"], json.loads(metadata["provenance"])) == (kind, dict(model.weights.provenance))


def test_a_missing_package_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "agent.networks.export")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert zeromass.main(["export", "onnx"]) == 2
    assert capsys.readouterr().err.endswith("package 'onnx' is not installed; run pip install 'zeromass[onnx]'\n")
