"""The command line: what verbs print, and that every mistake is one sentence with exit code 2."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import tomllib
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import zeromass
from agent.networks.residual.network import ResidualArchitecture, ResidualNetwork
from agent.networks.weights import save_weights
from tests.processes import run_python, start_zeromass
from tests.tables import table
from training.doctor import examine, usable_cores
from training.monitoring.tensorboard import DEFAULT_PORT

pytestmark = pytest.mark.usefixtures("in_empty_folder")
ROOT = Path(__file__).resolve().parent.parent
FEN = "7k/6Q1/5K2/8/8/8/8/8 b - - 0 1"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, ResidualNetwork(ResidualArchitecture(blocks=0, channels=8)), {"run": "test"})
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The sentence with which `zeromass WORDS` is refused."""
    assert zeromass.main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("zeromass: ")
    return lines[0].removeprefix("zeromass: ")


@pytest.mark.parametrize(("words", "sentence"), table("mistakes"))
def test_mistake_is_one_sentence(capsys: pytest.CaptureFixture[str], words: str, sentence: str) -> None:
    assert re.search(sentence, refused(capsys, *words.split()), re.IGNORECASE)
    assert not Path("runs").exists()


def test_version_and_completion(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert zeromass.main(["--version"]) == 0
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"zeromass {version}\n"
    for name, value in (("_ZEROMASS_COMPLETE", "complete_bash"), ("COMP_WORDS", "zeromass tr"), ("COMP_CWORD", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="0"):
        zeromass.main([])
    assert capsys.readouterr().out == "train\n"


def test_mistake_from_the_shell() -> None:
    """The same through a real process: exit code, nothing on standard output, no traceback."""
    done = run_python("-m", "zeromass", "play", "--fen", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("zeromass: FEN 'nonsense' cannot be read (")
    assert done.stderr.count("\n") == 1
    done = run_python("-m", "zeromass", "play", typed=os.fsdecode(b"\xff\xfe\nquit\n"))  # stray bytes
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be read as a move" in done.stdout


def test_taken_port(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is taken" in refused(capsys, "monitor", "--port", str(port))


def test_without_arguments_the_verbs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert zeromass.main([]) == 0
    told = capsys.readouterr().out
    for verb in ("train", "play", "uci", "evaluate", "ladder", "monitor", "doctor", "benchmark"):
        assert re.search(rf"^  {verb} ", told, re.MULTILINE)


def play(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `zeromass play` says at once in a position that is over."""
    assert zeromass.main(["play", "--fen", FEN, *words]) == 0
    return capsys.readouterr().out


def checkpoint(run: str, step: int, weights: bytes) -> Path:
    path = Path(f"runs/{run}/checkpoints/step-{step:08d}/weights.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(weights)
    return path


def test_play_names_its_weights(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    assert "against the bundled weights." in play(capsys)
    assert f"against weights of {weights}." in play(capsys, "--weights", str(weights))
    data = weights.read_bytes()
    os.utime(checkpoint("first", 20, data), (1, 1))
    checkpoint("second", 9, data)
    checkpoint("second", 10, data)
    checkpoint("second", 11, data[:-1])
    said = play(capsys, "--run", "second")
    assert "skipped: weights file 'runs/second/checkpoints/step-00000011/weights.safetensors' is damaged" in said
    assert "against run second, step 00000010." in said
    assert "against run first, step 00000020." in play(capsys, "--run", "first")
    assert "against run first, step 00000020." in play(capsys, "--run", "runs/first")


def test_run_without_a_valid_checkpoint(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    Path("runs/young").mkdir(parents=True)
    young = refused(capsys, "play", "--run", "young")
    assert "run 'young' has no valid checkpoint (it has not written one yet)" in young
    checkpoint("torn", 1, weights.read_bytes()[:-1])
    assert "run 'torn' has no valid checkpoint (skipped: weights file" in refused(capsys, "play", "--run", "torn")
    assert "runs here: torn, young" in refused(capsys, "play", "--run", "old")


def test_play_sides(capsys: pytest.CaptureFixture[str]) -> None:
    assert "You are White" in play(capsys)
    assert "You are Black" in play(capsys, "--side", "black")
    starts = {play(capsys, "--side", "random", "--seed", str(seed))[:13] for seed in range(6)}
    assert starts == {"You are White", "You are Black"}


def test_output_into_a_closed_pipe_is_quiet() -> None:
    process = start_zeromass("doctor")
    process.stdout.close()
    assert process.wait(120) in (0, 1)
    assert process.stderr.read() == ""


def test_interrupt_ends_play_without_traceback() -> None:
    process = start_zeromass("play")
    assert any("your move" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def test_arguments_of_train() -> None:
    assert zeromass.split_arguments([]) == (None, [])
    assert zeromass.split_arguments(["a.b=1", "gpu", "c.d=x=y"]) == ("gpu", ["a.b=1", "c.d=x=y"])


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert zeromass.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    expected = ("cuda", "graphs") if torch.cuda.is_available() else ("cpu", "numba")
    assert (report["device"], report["inference_runtime"]) == expected
    assert report["kernels_backend"] in ("triton", "torch")
    assert 1 <= report["cores"] == usable_cores() <= (os.cpu_count() or 1)
    assert report["versions"]["torch"] == torch.__version__
    assert zeromass.main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "Which path each part takes" in told
    assert ("What would limit a run:" in told) == bool(report["limits"])
    monkeypatch.setenv("ZEROMASS_KERNELS_BACKEND", "turbo")
    assert "'turbo'" in refused(capsys, "doctor")
    monkeypatch.setenv("ZEROMASS_KERNELS_BACKEND", "torch")
    assert examine().kernels_backend == "torch"


def test_benchmark_prints_text_or_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    results, ratios = [{"name": "plies", "value": 1234567.0, "unit": "1/s"}], [{"name": "plies / peer", "value": 100.5}]
    figures = {"results": results, "ratios": ratios}
    module, asked = ModuleType("benchmarks.rules"), list[str]()

    def run(*, peers_python: str = "", progress: object = None) -> dict[str, Any]:
        asked.append(peers_python)
        return figures

    module.run = run  # type: ignore[attr-defined]
    module.show = lambda figures: [f"ours: [bold]{figures['ratios'][0]['value']}x[/bold]"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.rules", module)
    assert zeromass.main(["benchmark", "rules", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == figures
    assert zeromass.main(["benchmark", "rules", "--peers-python", sys.executable]) == 0
    assert asked == ["", sys.executable]
    capsys.readouterr()
    for path in ("/nowhere", ""):
        assert f"'{path}' does not exist" in refused(capsys, "benchmark", "rules", "--peers-python", path)
    assert "has no use here" in refused(capsys, "benchmark", "kernels", "--peers-python", sys.executable)
    assert zeromass.main(["benchmark", "rules"]) == 0
    assert capsys.readouterr().out == "ours: 100.5x\n"


def test_monitor_says_where_and_ends_with_ctrl_c() -> None:
    """Port 6006 is taken: by this test, or by something else on this machine."""
    Path("runs/mine").mkdir(parents=True)
    server = socket.socket()
    with contextlib.suppress(OSError):
        server.bind(("127.0.0.1", DEFAULT_PORT))
        server.listen()
    process, told = start_zeromass("monitor", "mine"), list[str]()
    while not told or "Ctrl-C" not in told[-1]:
        told.append(next(process.stdout))
    match = re.search(r"^TensorBoard shows runs/mine at (http://127\.0\.0\.1:\d+/)$", "".join(told), re.MULTILINE)
    assert match is not None, told
    assert f"Port {DEFAULT_PORT} is taken, so another one is used.\n" in told
    server.close()
    with urllib.request.urlopen(f"{match[1]}data/environment", timeout=60) as answer:
        assert json.load(answer)["data_location"] == "runs/mine"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
