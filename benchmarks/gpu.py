"""What only a GPU can show, in about ten minutes: `zeromass verify gpu`.

Every check has a verdict and figures. What decides is a comparison: with float64 on the CPU, with the CPU's learner,
with the rules of the game. Speeds are figures without a verdict.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

import kernels
from agent.errors import InputError
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassError
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from benchmarks.kernels import copy_bandwidth, take_turns
from benchmarks.learner import filled_replay
from benchmarks.measuring import Progress
from kernels.ops.backend import triton_fault
from training.learner import Learner
from training.preflight import cuda_state, nvidia_driver
from training.replay import Batch
from training.settings import load_settings

SIZES: Final = (
    218,
    1880,
    2048,
    4100,
)  # columns: legal moves of a position at most, all moves, attention, several tiles
TOLERANCES: Final = {
    torch.float32: 1e-5,
    torch.bfloat16: 2e-2,
    torch.float16: 4e-3,
}  # of results, or of their sizes above 1
RUN_MINUTES: Final = 1.5  # of each training run
SEARCHED: Final = "network.blocks=4 network.channels=64 selfplay.actors=2 selfplay.games=256 replay.warmup=4096"
"""What makes `train gpu` short."""


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    fault: str  # what is wrong, in a sentence; empty: nothing
    figures: dict[str, Any]


def verify(progress: Progress) -> dict[str, Any]:
    """Look at everything; an InputError where there is no GPU. `passed` in the result is the verdict."""
    if not torch.cuda.is_available():
        state, advice = cuda_state(torch.version.cuda, *nvidia_driver(), usable=False)
        raise InputError(f"there is no GPU that torch can use ({state}); {advice or 'run this on a machine with one'}")
    device, checks = torch.device("cuda"), list[Check]()
    steps: tuple[Callable[[torch.device], Iterator[Check]], ...] = (machine, ops, evaluators, learning, speeds, runs)
    for step in steps:
        progress(f"{step.__name__} ...")
        try:
            found = list(step(device))
        except Exception as error:  # what fails is a finding, and the others are still to be made
            found = [Check(step.__name__, " ".join(f"{type(error).__name__}: {error}".split()), {})]
        for check in found:
            progress(f"  {check.name}: {check.fault or 'good'}")
        checks += found
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "card": torch.cuda.get_device_name(),
        "passed": not any(check.fault for check in checks),
        "checks": [check._asdict() for check in checks],
    }


def machine(device: torch.device) -> Iterator[Check]:
    """Driver, CUDA, card, compiler."""
    state, advice = cuda_state(torch.version.cuda, *nvidia_driver(), usable=True)
    free, total = torch.cuda.mem_get_info(device)
    major, minor = torch.cuda.get_device_capability(device)
    figures = {"state": state, "capability": f"{major}.{minor}", "gpus": torch.cuda.device_count(), "memory": total}
    yield Check("machine", advice or ("less than 4 GiB of its memory are free" if free < 2**32 else ""), figures)
    yield Check("Triton", triton_fault(device), {})


def ops(device: torch.device, sizes: tuple[int, ...] = SIZES) -> Iterator[Check]:
    """Forward and gradient against float64 on the CPU; poison, illegal entries, and a row alone, bit for bit."""
    for dtype, tolerance in TOLERANCES.items():
        for size in sizes:
            worst, faults = 0.0, list[str]()
            logits, legal = _rows(size, dtype)
            moves = legal.float().argmax(1)
            wanted = _family(logits.double(), legal, moves, _float64)
            poisoned = logits.masked_fill(~legal, torch.nan)
            on = [one.to(device) for one in (logits, poisoned, legal, moves)]
            found, again = (_family(x, on[2], on[3], _ours) for x in on[:2])
            alone = _family(on[0][2:3], on[2][2:3], on[3][2:3], _ours)
            for name, result in found.items():
                if not torch.equal(result, again[name]):
                    faults.append(f"{name} depends on illegal logits")
                if not torch.equal(result[2:3], alone[name]):
                    faults.append(f"{name} of a row depends on the others")
                if result.dim() == 2 and bool((result.cpu()[~legal] != 0).any()):
                    faults.append(f"{name} is not 0 at illegal entries")
                errors = (result.cpu().double() - wanted[name]).abs() / wanted[name].abs().clamp(min=1.0)
                worst = max(worst, float(errors.max()))
            if not worst <= tolerance:
                faults.append(f"off by {worst:.2g}")
            title = f"ops, {str(dtype).removeprefix('torch.')}, {size} columns"
            yield Check(title, "; ".join(faults), {"largest error": worst})


def _rows(size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """48 rows in turn with no legal entry, all, and 2 %, one at least."""
    generator = torch.Generator().manual_seed(size)
    shares = torch.tensor([0.0, 1.0, 0.02]).repeat(16)[:, None]
    legal = torch.rand(48, size, generator=generator) < shares
    legal[2::3, size // 2] = True
    return torch.randn(48, size, generator=generator).to(dtype), legal


Log = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


def _family(logits: Tensor, legal: Tensor, moves: Tensor, family: Log) -> dict[str, Tensor]:
    """Results by name, and the gradient of a sum of all of them."""
    x = logits.detach().clone().requires_grad_()
    p, log_p, entropy, loss = family(x, legal)
    taken = log_p.gather(1, moves[:, None])[:, 0]
    total = (p * p).sum() + taken.sum() + entropy.sum() + loss.sum()
    (gradient,) = torch.autograd.grad(total, x)
    return {
        "p": p.detach(),
        "log p": log_p.detach(),
        "entropy": entropy.detach(),
        "loss": loss.detach(),
        "dx": gradient,
    }


def _ours(x: Tensor, legal: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    loss = kernels.masked_cross_entropy(x, legal.float().argmax(1), legal=legal, z_loss=0.01)
    logs = kernels.masked_log_softmax(x, legal=legal, fill=0.0)
    return kernels.masked_softmax(x, legal=legal), logs, kernels.masked_entropy(x, legal=legal), loss


def _float64(x: Tensor, legal: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row by row on the legal entries alone: it masks nothing."""
    p, logs, entropies, losses = [], [], [], []
    for row, chosen in zip(x, legal, strict=True):
        columns = chosen.nonzero()[:, 0]
        here = row[columns]
        log_p = here.log_softmax(0)
        p.append(torch.zeros_like(row).index_put((columns,), log_p.exp()))
        logs.append(torch.zeros_like(row).index_put((columns,), log_p))
        entropies.append(-(log_p.exp() * log_p).sum())
        losses.append(-log_p[0] + 0.01 * here.logsumexp(0) ** 2 if len(columns) else row.sum() * 0)
    return torch.stack(p), torch.stack(logs), torch.stack(entropies), torch.stack(losses)


def evaluators(device: torch.device) -> Iterator[Check]:
    """The residual network, eager and by graphs, against float32 on the CPU."""
    network, positions = make_network(ResidualArchitecture(4, 64)), _batch(512).positions
    expected = Evaluator(deepcopy(network)).evaluate(positions)
    for runtime in ("eager", "graphs"):
        found = make_evaluator(deepcopy(network), device, runtime=runtime).evaluate(positions)
        error = float((found.logits.cpu() - expected.logits).abs().max() / expected.logits.abs().max())
        value = float((found.values.cpu() - expected.values).abs().max())
        fault = (
            "" if max(error, value) < 0.05 else f"logits are off by {error:.2g} of their size, values by {value:.2g}"
        )
        yield Check(f"evaluator, {runtime}", fault, {"logits": error, "values": value})


def learning(device: torch.device) -> Iterator[Check]:
    """A step on the GPU against the CPU's; and a wrong mask, which must stop it."""
    batch, network = _batch(512), make_network(ResidualArchitecture(4, 64))
    settings = load_settings("gpu-demo").learner
    learners = [
        Learner(deepcopy(network), settings.model_copy(update={"device": kind})) for kind in ("cpu", device.type)
    ]
    for learner in learners:
        learner.train(batch, progress=0.0)
    gradients = [
        torch.cat(
            [parameter.grad.cpu().flatten() for parameter in one.network.parameters() if parameter.grad is not None]
        )
        for one in learners
    ]
    losses = [one.means.take()["loss/total"] for one in learners]
    cosine = float(torch.cosine_similarity(gradients[0], gradients[1], dim=0))
    apart = abs(losses[0] - losses[1])
    fault = (
        "" if cosine > 0.99 and apart < 0.02 else f"loss is off by {apart:.2g}, the gradients' cosine is {cosine:.4f}"
    )
    yield Check("learner against CPU", fault, {"loss": losses[1], "off": apart, "cosine": cosine})
    predict = learners[1].network.predict

    def wrong(positions: Any) -> Any:
        output = predict(positions)
        return output._replace(legal=torch.full_like(output.legal, -1))

    learners[1].network.predict = wrong  # type: ignore[method-assign]
    try:
        learners[1].train(batch, progress=0.0)
        yield Check("a wrong mask", "the meter did not stop the learner", {})
    except InvalidMassError as error:
        yield Check("a wrong mask", "", {"said": str(error)})


def _batch(size: int) -> Batch:
    small = "network.kind=sparse network.width=64 network.hidden=32 selfplay.games=64 selfplay.ply_cap=40"
    settings = load_settings("demo", small.split())
    return filled_replay(settings, 2 * size).sample(size, np.random.default_rng(0))


def speeds(device: torch.device) -> Iterator[Check]:
    """Rows of attention in float16, padded and causal, and rows of moves: microseconds beside PyTorch's."""
    x, gradient = (torch.randn(4096, 2048, device=device, dtype=torch.float16) for _ in range(2))
    padding = torch.arange(2048, device=device) < torch.randint(1024, 2048, (4096, 1), device=device)
    causal = torch.arange(2048, device=device) <= torch.arange(4096, device=device)[:, None] % 2048
    compiled = torch.compile(_filled)
    leaf = x.clone().requires_grad_()
    for name, legal in (("padded", padding), ("causal", causal)):
        words = kernels.pack_legal(legal)
        calls: dict[str, Callable[[Tensor], Tensor]] = {
            "ours": partial(_masked, words),
            "softmax, no mask": partial(torch.softmax, dim=1),
            "masked_fill, softmax": partial(_filled, legal),
            "compiled": partial(compiled, legal),
        }
        ways = {"forward": partial(_forward, x), "with backward": partial(_both, leaf, gradient)}
        for way, run in ways.items():
            times = take_turns({contender: partial(run, call) for contender, call in calls.items()}, device)
            figures = {contender: statistics.median(one) for contender, one in times.items()}
            yield Check(f"4,096 x 2,048 float16, {name}, {way}, us", "", figures)
    bandwidth = copy_bandwidth(device)
    for rows in (256, 4096, 65536):
        logits, words = torch.randn(rows, 1880, device=device), torch.full((rows, 59), -1, device=device).int()
        took = take_turns({"ours": partial(_masked, words, logits)}, device)["ours"]
        share = (2 * logits.nbytes + words.nbytes) / statistics.median(took) / bandwidth
        yield Check(f"{rows} x 1,880 float32", "", {"us": statistics.median(took), "share of a copy": share})


def _masked(words: Tensor, x: Tensor) -> Tensor:
    return kernels.masked_softmax(x, legal=words)


def _filled(legal: Tensor, x: Tensor) -> Tensor:
    return x.masked_fill(~legal, -torch.inf).softmax(1)


def _forward(x: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
    return call(x)


def _both(leaf: Tensor, gradient: Tensor, call: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.autograd.grad(call(leaf), leaf, gradient)[0]


def runs(device: torch.device) -> Iterator[Check]:
    """Self-play and learner on the GPU, with Ray: sampled by the kernel, and searched."""
    for config, more, needed in (
        ("gpu-demo", "", "masked_sample policy_terms policy_terms_backward"),
        ("gpu", SEARCHED, "legal_log_probs cross_entropy cross_entropy_backward"),
    ):
        folder = Path("runs") / f"verify-{config}-{datetime.now():%Y%m%d-%H%M%S}"
        words = ["train", config, f"run.name={folder.name}", f"run.minutes={RUN_MINUTES}", "evaluation.games=0"]
        command = [sys.executable, "-m", "zeromass", *words, *more.split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * RUN_MINUTES + 240)
        if done.returncode != 0:
            yield Check(f"train {config}", " ".join((done.stderr or done.stdout).split())[-400:], {})
            continue
        summary = json.loads((folder / "summary.json").read_text())
        ran = {**summary["selfplay_kernels"], **summary["learner_kernels"]}
        missing = [op for op in needed.split() if not ran.get(f"{op}.triton")]
        last: dict[str, float] = {}
        for line in (folder / "log.jsonl").read_text().splitlines():
            last |= json.loads(line)
        rates = {tag: value for tag, value in last.items() if tag.startswith("time/") or tag.endswith("_per_second")}
        figures = {key: summary[key] for key in ("games", "positions", "steps", "largest_invalid_mass")}
        fault = f"did not run on Triton: {', '.join(missing)}" if missing else ""
        yield Check(f"train {config}", fault, {**figures, **rates})
