"""What only a GPU can show, in ten minutes at most: `zeromass verify gpu`.

Every check has a verdict and figures. Comparisons decide: with float64 on the CPU, with the CPU's network and learner,
with the rules of the game. Speeds are figures without a verdict."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime
from itertools import product
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

import kernels
from agent import rules
from agent.errors import InputError
from agent.networks.evaluator import Evaluator
from agent.networks.meter import InvalidMassError
from agent.networks.registry import make_evaluator, make_network
from agent.networks.residual.network import ResidualArchitecture
from benchmarks.learner import filled_replay
from benchmarks.measuring import Progress
from kernels.ops.backend import triton_fault
from training.learner import Learner
from training.preflight import cuda_state, nvidia_driver
from training.replay import Batch
from training.settings import load_settings

SECONDS: Final = 600.0  # for everything
SIZES: Final = (218, 1880, 2048, 4100)  # legal moves of a position at most, all moves, attention, several tiles
TOLERANCES: Final = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}  # of what is above 1 a share
WIDTH: Final = 200  # of compact policies
DEMO: Final = "train gpu-demo run.minutes=1.5 evaluation.games=0"
BENCHMARK: Final = "benchmark kernels --json rows=256,65536"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    fault: str  # what is wrong, in a sentence; empty: nothing
    figures: dict[str, Any]


def verify(progress: Progress) -> dict[str, Any]:
    """Look at everything; `passed` is the verdict. An InputError where there is no GPU."""
    if not torch.cuda.is_available():
        state, advice = cuda_state(torch.version.cuda, *nvidia_driver(), usable=False)
        raise InputError(f"there is no GPU that torch can use ({state}); {advice or 'run this on a machine with one'}")
    device, checks, until = torch.device("cuda"), list[Check](), monotonic() + SECONDS
    steps: dict[str, Callable[[], Iterator[Check]]] = {
        "machine": lambda: machine(device),
        "ops": lambda: ops(device),
        "evaluators": lambda: evaluators(device),
        "learning": lambda: learning(device),
        "demo": lambda: demo(until),
        "speeds": lambda: speeds(until),
    }
    for name, step in steps.items():
        progress(f"{name} ...")
        try:
            for check in step():
                progress(f"  {check.name}: {check.fault or 'good'}")
                checks.append(check)
        except Exception as error:  # what fails is a finding, and the others are still to be made
            checks.append(Check(name, " ".join(f"{type(error).__name__}: {error}".split()), {}))
            progress(f"  {name}: {checks[-1].fault}")
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
    capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
    figures = {"state": state, "capability": capability, "gpus": torch.cuda.device_count(), "memory": total}
    yield Check("machine", advice or ("less than 8 GiB of its memory are free" if free < 2**33 else ""), figures)
    yield Check("Triton", triton_fault(device), {})


class Rows(NamedTuple):
    """A batch for the ops, B = 48: rows in turn without a legal entry, with all, with 2 % and one at least."""

    logits: Tensor  # [B, N]
    legal: Tensor  # bool [B, N]
    moves: Tensor  # int64 [B], legal if any is
    soft: Tensor  # float32 [B, N], a distribution over the legal entries
    upstream: Tensor  # [B, N], gradients of results
    keys: Tensor  # int64 [B]

    def each(self, change: Callable[[Tensor], Tensor]) -> "Rows":
        return Rows(*map(change, self))


def make_rows(size: int, dtype: torch.dtype) -> Rows:
    """The batch on the CPU, by size."""
    generator, rows = torch.Generator().manual_seed(size), 48
    legal = torch.rand(rows, size, generator=generator) < torch.tensor([0.0, 1.0, 0.02]).repeat(rows // 3)[:, None]
    legal[2::3, size // 2] = True
    soft = torch.rand(rows, size, generator=generator) * legal
    soft /= soft.sum(1, keepdim=True).clamp(min=1e-9)
    logits, upstream = (torch.randn(rows, size, generator=generator).to(dtype) for _ in range(2))
    return Rows(logits, legal, soft.argmax(1), soft, upstream, torch.arange(rows))


def ops(device: torch.device, sizes: tuple[int, ...] = SIZES) -> Iterator[Check]:
    """Every op, forward and gradient, against float64 on the CPU; poison, illegal entries, a row alone, bit for bit."""
    for dtype, size in product(TOLERANCES, sizes):
        given = make_rows(size, dtype)
        there, faults, errors = given.each(lambda one: one.to(device)), list[str](), dict[str, float]()
        found, wanted = by_kernels(there), by_float64(given)
        poisoned = by_kernels(there._replace(logits=there.logits.masked_fill(~there.legal, torch.nan)))
        alone = [(slice(row, row + 1), by_kernels(there.each(itemgetter(slice(row, row + 1))))) for row in (1, 2)]
        for name, result in found.items():
            if not torch.equal(result, poisoned[name]):
                faults.append(f"{name} depends on illegal logits")
            if not all(torch.equal(result[row], one[name]) for row, one in alone):
                faults.append(f"{name} of a row depends on the others")
            if result.shape == there.legal.shape:
                illegal = result[~there.legal]
                if bool((illegal != 0).any() or illegal.signbit().any()):
                    faults.append(f"{name} is not 0 at illegal entries")
            error = (result.cpu().double() - wanted[name]).abs() / wanted[name].abs().clamp(min=1.0)
            errors[name] = float(error.max())
            if not errors[name] <= TOLERANCES[dtype]:
                faults.append(f"{name} is off by {errors[name]:.2g}")
        yield Check(f"ops, {str(dtype).removeprefix('torch.')}, {size} columns", "; ".join(faults), {"errors": errors})


def by_kernels(given: Rows) -> dict[str, Tensor]:
    """Results by op, and gradients."""
    x, legal = given.logits.detach().clone().requires_grad_(), given.legal
    offsets = pad(legal.sum(1).cumsum(0), (1, 0))
    ragged = kernels.RaggedTargets(offsets, legal.nonzero()[:, 1], given.soft[legal])
    terms = kernels.masked_policy_terms(x, given.moves, legal=legal)
    compact = kernels.legal_log_probs(x, legal=legal, width=WIDTH)
    results = {
        "masked_softmax": kernels.masked_softmax(x, legal=legal),
        "masked_log_softmax": kernels.masked_log_softmax(x, legal=legal, fill=0.0),
        "masked_entropy": kernels.masked_entropy(x, legal=legal),
        "masked_policy_terms": terms.log_prob,
        "masked_policy_terms, entropy": terms.entropy,
        "masked_cross_entropy, index": kernels.masked_cross_entropy(x, given.moves, legal=legal),
        "masked_cross_entropy, dense": kernels.masked_cross_entropy(x, given.soft, legal=legal),
        "masked_cross_entropy, ragged": kernels.masked_cross_entropy(x, ragged, legal=legal),
        "legal_log_probs": torch.where(compact.indices < 0, 0.0, compact.log_probs),
    }
    sample = kernels.masked_sample(x, legal=legal, seed=1, row_keys=given.keys)
    log_p = kernels.masked_log_softmax(x.detach().float(), legal=legal, fill=torch.nan)
    drawn = log_p.gather(1, sample.moves.clamp(min=0)[:, None])[:, 0] - sample.log_prob  # NaN: an illegal move
    return _with_gradients(results, x, given.upstream) | {
        "masked_sample": torch.where((sample.moves < 0) & ~legal.any(1), 0.0, drawn),
        "invalid_mass": kernels.invalid_mass(given.upstream, legal=legal),
        "pack_legal": kernels.unpack_legal(kernels.pack_legal(legal), legal.shape[1]).float(),
    }


def by_float64(given: Rows) -> dict[str, Tensor]:
    """The same, row by row on the legal entries alone: it masks nothing."""
    rows = [_row_by_float64(*row) for row in zip(*given, strict=True)]
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _row_by_float64(
    logits: Tensor, legal: Tensor, move: Tensor, soft: Tensor, upstream: Tensor, key: Tensor
) -> dict[str, Tensor]:
    x, columns = logits.double().requires_grad_(), legal.nonzero()[:, 0]
    log_p, zeros = x[columns].log_softmax(0), x.new_zeros(len(x))
    entropy, taken = -(log_p.exp() * log_p).sum(), log_p[columns == move].sum()
    loss = -(soft[columns].double() * log_p).sum()
    results = {
        "masked_softmax": zeros.index_put((columns,), log_p.exp()),
        "masked_log_softmax": zeros.index_put((columns,), log_p),
        "masked_entropy": entropy,
        "masked_policy_terms": taken,
        "masked_policy_terms, entropy": entropy,
        "masked_cross_entropy, index": -taken,
        "masked_cross_entropy, dense": loss,
        "masked_cross_entropy, ragged": loss,
        "legal_log_probs": pad(log_p[:WIDTH], (0, max(0, WIDTH - len(log_p)))),
    }
    return _with_gradients(results, x, upstream) | {
        "masked_sample": zeros[0],
        "invalid_mass": upstream[~legal].double().abs().sum(),
        "pack_legal": legal.double(),
    }


def _with_gradients(results: dict[str, Tensor], x: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    found = {name: result.detach() for name, result in results.items()}
    for name, result in results.items():
        given = upstream[..., : result.shape[-1]] if result.dim() == x.dim() else upstream[..., 0]
        (slope,) = torch.autograd.grad(result, x, given.to(result.dtype), retain_graph=True)
        found[f"{name}, gradient"] = slope
    return found


def evaluators(device: torch.device) -> Iterator[Check]:
    """The residual network, eager and by graphs, against float32 on the CPU; two answers under way at once."""
    network, positions = make_network(ResidualArchitecture(4, 64)), _batch(512).positions
    expected = Evaluator(deepcopy(network)).evaluate(positions)
    for runtime in ("eager", "graphs") if device.type == "cuda" else ("eager",):
        evaluator = make_evaluator(deepcopy(network), device, runtime=runtime)
        found = evaluator.evaluate(positions)
        error = float((found.logits.cpu() - expected.logits).abs().max() / expected.logits.abs().max())
        value = float((found.values.cpu() - expected.values).abs().max())
        off = f"logits are off by {error:.2g} of their size, values by {value:.2g}"
        good = max(error, value) < 0.05
        yield Check(f"evaluator, {runtime}", "" if good else off, {"logits": error, "values": value})
        halves = [(half, *rules.legal_moves(half)) for half in (positions[:256], positions[256:])]
        answers = [wait() for wait in [evaluator.ask_legal(*half) for half in halves]]
        pairs = zip(answers, [evaluator.evaluate_legal(*half) for half in halves], strict=True)
        same = all(np.array_equal(one, other) for pair in pairs for one, other in zip(*pair, strict=True))
        yield Check(f"two answers at once, {runtime}", "" if same else "they are not those of one at a time", {})


def learning(device: torch.device) -> Iterator[Check]:
    """A step on the GPU against the CPU's; and a wrong mask, which must stop it."""
    batch, network, settings = _batch(512), make_network(ResidualArchitecture(4, 64)), load_settings("gpu-demo").learner
    kinds = "cpu", device.type
    learners = [Learner(deepcopy(network), settings.model_copy(update={"device": kind})) for kind in kinds]
    gradients, losses = list[Tensor](), list[float]()
    for learner in learners:
        learner.train(batch, progress=0.0)
        slopes = (parameter.grad for parameter in learner.network.parameters())
        gradients.append(torch.cat([slope.cpu().flatten() for slope in slopes if slope is not None]))
        losses.append(learner.means.take()["loss/total"])
    cosine, apart = float(torch.cosine_similarity(gradients[0], gradients[1], dim=0)), abs(losses[0] - losses[1])
    off = f"loss is off by {apart:.2g}, the gradients' cosine is {cosine:.4f}"
    good = cosine > 0.99 and apart < 0.02
    yield Check("learner against CPU", "" if good else off, {"loss": losses[1], "off": apart, "cosine": cosine})
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


def demo(until: float) -> Iterator[Check]:
    """A short run with Ray, self-play and learner on the GPU, and its rates."""
    folder = Path("runs", f"verify-{datetime.now():%Y%m%d-%H%M%S}")
    _zeromass(f"{DEMO} run.folder={folder.parent} run.name={folder.name}", until)
    summary, last = json.loads((folder / "summary.json").read_text()), dict[str, float]()
    for line in (folder / "log.jsonl").read_text().splitlines():
        last |= json.loads(line)
    ran = {**summary["selfplay_kernels"], **summary["learner_kernels"]}
    missing = [op for op in ("masked_sample", "policy_terms", "policy_terms_backward") if not ran.get(f"{op}.triton")]
    rates = {tag: value for tag, value in last.items() if tag.startswith("time/") or tag.endswith("_per_second")}
    figures = {key: summary[key] for key in ("games", "positions", "steps", "largest_invalid_mass")}
    yield Check("train gpu-demo", f"did not run on Triton: {', '.join(missing)}" * bool(missing), figures | rates)


def speeds(until: float) -> Iterator[Check]:
    """The benchmark of the kernels."""
    try:
        yield Check("benchmark kernels", "", json.loads(_zeromass(BENCHMARK, until)))
    except subprocess.TimeoutExpired:
        yield Check("benchmark kernels", "", {"stopped": f"after {SECONDS:.0f} s in all: run it by itself"})


def _zeromass(words: str, until: float) -> str:
    """What the command prints; a RuntimeError with the end of it where it fails."""
    command = [sys.executable, "-m", "zeromass", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=max(until - monotonic(), 1.0))
    if done.returncode != 0:
        raise RuntimeError(f"zeromass {words}: {' '.join((done.stderr or done.stdout).split())[-400:]}")
    return done.stdout
