"""A learner spread over processes: each takes a share of the batch, gradients are averaged, all make the same step.

Data-parallel with torch.distributed: NCCL where the learner has a GPU, gloo on CPUs. The first of the `learner.workers`
processes is the trainer itself, which holds the replay buffer and splits the batches; the others are Ray actors.
Weights and optimiser are sent once; after that only shares and gradients travel. If a process dies, the trainer ends
too and starts again from a checkpoint with all of them.

Shares are equally large and advantages are normalised over the whole batch, so the averaged gradient is that of the
whole batch, up to rounding.
"""

import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import ray
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from agent.errors import InputError
from agent.networks.contract import Architecture
from agent.networks.meter import MassReading
from agent.networks.network import Network
from agent.networks.registry import make_network
from training.learner import Learner, moments, resolve_device
from training.losses import Loss
from training.replay import Batch
from training.settings import LearnerSettings

TIMEOUT: Final = timedelta(minutes=5)  # of one exchange of gradients: longer than any step
Moments = tuple[float, float]


def make_learner(network: Network, settings: LearnerSettings, *, searched: bool) -> Learner:
    """The learner that the settings ask for: in this process alone, or spread. An InputError where the batch cannot be
    split evenly, or a spread one has no initialised Ray or less than a GPU a process on CUDA."""
    if settings.workers == 1:
        return Learner(network, settings, searched=searched)
    if settings.batch_size % settings.workers:
        fault = f"cannot be split evenly between learner.workers={settings.workers}"
        raise InputError(f"setting learner.batch_size={settings.batch_size} {fault}; choose a multiple")
    if resolve_device(settings.device).type == "cuda" and settings.gpus < 1:
        fault = f"needs a whole GPU for each of them, and learner.gpus={settings.gpus:g}"
        advice = "set learner.gpus=1 or learner.device=cpu"
        raise InputError(f"setting learner.workers={settings.workers} {fault}; {advice}")
    if not ray.is_initialized():
        raise InputError(f"setting learner.workers={settings.workers} needs Ray; set selfplay.actors to 1 or more")
    return ParallelLearner(network, settings, searched=searched)


class _ShareLearner(Learner):
    """Steps on a share, by gradients that are averaged over all shares."""

    def train_share(self, share: Batch, moments: Moments, progress: float) -> None:
        """`Learner.train` on one share of a batch whose advantages have these moments."""
        self._moments = moments
        super().train(share, progress=progress)

    def _differentiate(self, loss: Loss) -> Loss:
        super()._differentiate(loss)
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        reported = [loss.total.detach(), *loss.parts.values()]
        flat = torch.cat([part.reshape(-1).float() for part in (*gradients, *reported)])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        place = 0
        for gradient in gradients:
            gradient.copy_(flat[place : place + gradient.numel()].view_as(gradient))
            place += gradient.numel()
        total, *parts = flat[place:]
        return Loss(total, dict(zip(loss.parts, parts, strict=True)))


class _Worker:
    """Ray wrapper of a share's learner; `rank` is 1 and up."""

    def __init__(
        self, architecture: Architecture, settings: LearnerSettings, searched: bool, rendezvous: str, rank: int
    ) -> None:
        torch.set_num_threads(settings.threads)
        self._learner = _ShareLearner(make_network(architecture), settings, searched=searched)
        _join(rendezvous, rank, settings)

    def load(self, weights: dict[str, NDArray[np.float32]], state: dict[str, NDArray[Any]], step: int) -> None:
        self._learner.network.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in weights.items()})
        self._learner.restore(state)
        self._learner.step = step

    def train(self, share: Batch, moments: Moments, progress: float) -> MassReading:
        self._learner.train_share(share, moments, progress)
        return self._learner.meter.take()


class ParallelLearner(_ShareLearner):
    """The first of the processes; used like any `Learner`."""

    def __init__(self, network: Network, settings: LearnerSettings, *, searched: bool) -> None:
        super().__init__(network, settings, searched=searched)
        here = cast(str, cast(Any, ray.util).get_node_ip_address())
        self._folder = tempfile.TemporaryDirectory(prefix="zeromass-learner-")
        # A file, where all are on this machine: torch's own store would listen on every interface.
        file = Path(self._folder.name, "meet").as_uri()
        with socket.socket() as probe:
            probe.bind((here, 0))
            rendezvous = file if here.startswith("127.") else f"tcp://{here}:{probe.getsockname()[1]}"
        remote = cast(Any, ray.remote)(
            num_cpus=settings.threads, num_gpus=settings.gpus, resources=dict(settings.resources),
            scheduling_strategy="SPREAD", max_restarts=0,
        )(_Worker)  # fmt: skip
        given = network.architecture, settings, searched, rendezvous
        self._workers = [remote.remote(*given, rank) for rank in range(1, settings.workers)]
        _join(rendezvous, 0, settings)
        self._sent = False

    def train(self, batch: Batch, *, progress: float) -> None:
        """See `Learner`; the meter reads what all processes trained on."""
        if not self._sent:
            state = ray.put(self.state_arrays()), ray.put(self.weights())
            ray.get([worker.load.remote(state[1], state[0], self.step) for worker in self._workers])
            self._sent = True
        own, *others = shares(batch, self.settings.workers)
        whole = moments(torch.from_numpy(batch.advantages))
        pairs = zip(self._workers, others, strict=True)
        steps = [worker.train.remote(share, whole, progress) for worker, share in pairs]
        try:
            self.train_share(own, whole, progress)
        except Exception:
            self._sent = False  # a rescue of this learner must reach all processes
            ray.wait(steps, num_returns=len(steps))
            raise
        for reading in ray.get(steps):
            self.meter.reading.add(reading)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `Learner`; the others get it, with the weights, before the next step."""
        super().restore(arrays)
        self._sent = False

    def close(self) -> None:
        """End the other processes."""
        for worker in self._workers:
            ray.kill(worker)
        dist.destroy_process_group()
        self._folder.cleanup()


def shares(batch: Batch, number: int) -> list[Batch]:
    """`number` equal parts of a batch, in order."""
    size = len(batch.moves) // number
    parts = []
    for part in range(number):
        rows = slice(part * size, (part + 1) * size)
        columns = {name: column[rows] for name, column in vars(batch).items() if isinstance(column, np.ndarray)}
        parts.append(replace(batch, policies=batch.policies.plies(rows.start, rows.stop), **columns))
    return parts


def _join(rendezvous: str, rank: int, settings: LearnerSettings) -> None:
    if rendezvous.startswith("file:"):
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = "lo"
    backend = "nccl" if resolve_device(settings.device).type == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=rendezvous, rank=rank, world_size=settings.workers, timeout=TIMEOUT)
