"""The learner: batches in, better weights out. Knows no actors and no files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.errors import InputError
from agent.networks.meter import InvalidMassMeter, Measured
from agent.networks.network import Network, Prediction, autocast_dtype, sent
from agent.networks.policy import MaskedPolicy
from training.losses import Loss, actor_critic_loss, improved_policy_loss
from training.replay import Batch
from training.settings import LearnerSettings

GRADIENT_CLIP: Final = 1.0  # largest gradient norm


class LearningError(RuntimeError):
    """The loss or a gradient is not finite; the weights are left as they were. `message` is the whole sentence."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


@dataclass
class StepMeans:
    """Running means of what the steps reported since last taken."""

    steps: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, values: dict[str, float]) -> None:
        """Include one step."""
        self.steps += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """Means by name since the last call."""
        means = {name: total / self.steps for name, total in self.sums.items()}
        self.steps, self.sums = 0, {}
        return means


def resolve_device(setting: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. An InputError for `cuda` where there is none."""
    if setting == "cuda" and not torch.cuda.is_available():
        fault = "setting learner.device=cuda needs a GPU that torch can use, and there is none"
        raise InputError(f"{fault}; see zeromass doctor")
    return torch.device("cuda" if setting != "cpu" and torch.cuda.is_available() else "cpu")


class Learner:
    """AdamW on the policy and value losses, with a meter on every distribution that is trained. `network` is moved to
    the device and trained in place. With `searched` games it learns their improved policies, else by actor-critic."""

    def __init__(self, network: Network, settings: LearnerSettings, *, searched: bool = False) -> None:
        self.settings, self._searched = settings, searched
        self.device = resolve_device(settings.device)
        self.network = network.to(self.device).train()
        self.meter, self.means, self.step = InvalidMassMeter(), StepMeans(), 0
        # float16 has few exponents: losses are scaled up, and a step whose gradients overflow is left out.
        half = autocast_dtype(self.device) == torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=half)
        # Fused: one pass over memory a step, where the default makes a dozen; half of a sparse step went into those.
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )

    def learning_rate(self, progress: float) -> float:
        """Cosine from `learning_rate` to `final_learning_rate` over progress 0..1."""
        high, low = self.settings.learning_rate, self.settings.final_learning_rate
        return low + (high - low) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))

    def train(self, batch: Batch, *, progress: float) -> None:
        """One step on B plies; `progress`, the share of the training that is done, 0..1, sets the learning rate. An
        InvalidMassError where the policy has mass on an illegal move, a LearningError where loss or gradient is not
        finite."""
        output = self.network.predict(batch.positions)
        loss = self._loss(batch, output)
        self._differentiate(loss)
        self._update(loss, self._measure(batch, output), progress)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights as float32 arrays, copied, ready for the object store."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.network.state_dict().items()}

    def state_arrays(self) -> dict[str, NDArray[Any]]:
        """The optimizer's state; `restore` takes it back."""
        return {
            f"{name}.{key}": value.detach().cpu().numpy().copy()
            for name, parameter in self.network.named_parameters()
            for key, value in self.optimizer.state[parameter].items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a saved state of the optimizer; empty before the first step."""
        if not arrays:
            return
        state = self.optimizer.state_dict()
        keys = ("step", "exp_avg", "exp_avg_sq")
        state["state"] = {
            number: {key: torch.from_numpy(np.array(arrays[f"{name}.{key}"])) for key in keys}
            for number, (name, _) in enumerate(self.network.named_parameters())
        }
        self.optimizer.load_state_dict(state)

    def _loss(self, batch: Batch, output: Prediction) -> Loss:
        logits, values, legal = output.logits, output.value_logits, output.legal
        wdl, settings = self._tensor(batch.wdl), self.settings
        if self._searched:
            policies = batch.policies.offsets, batch.policies.indices, batch.policies.probabilities
            targets = output.targets(*(self._tensor(array) for array in policies))
            return improved_policy_loss(logits, values, legal=legal, policies=targets, wdl=wdl, settings=settings)
        return actor_critic_loss(
            logits, values, legal=legal, moves=output.lanes(self._tensor(batch.moves)),
            log_probs=self._tensor(batch.log_probs), advantages=self._tensor(_normalised(batch.advantages)),
            wdl=wdl, settings=settings,
        )  # fmt: skip

    def _differentiate(self, loss: Loss) -> None:
        """Compute the gradients of the parameters."""
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss.total).backward()  # type: ignore[no-untyped-call]

    def _measure(self, batch: Batch, output: Prediction) -> Measured:
        probabilities = MaskedPolicy(output.logits.detach(), output.legal).probabilities
        return self.meter.measure(probabilities, batch.positions, indices=output.indices)

    def _update(self, loss: Loss, measured: Measured, progress: float) -> None:
        """Clip the gradient, check that it is finite and the mass in place, step."""
        self._scaler.unscale_(self.optimizer)
        clipped_norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_CLIP)
        # All figures in one copy: the only time in a step that the host waits for a GPU.
        figures = loss.total.detach(), clipped_norm, *measured.figures, *loss.parts.values()
        total, norm, *mass_and_parts = torch.stack([figure.double() for figure in figures]).tolist()
        if not (math.isfinite(total) and (math.isfinite(norm) or self._scaler.is_enabled())):
            self._scaler.update()  # the next step begins anew
            reason = f"loss {total} or gradient norm {norm} is not finite"
            message = f"{reason} at step {self.step + 1}; the weights were not touched; resume from the last checkpoint"
            raise LearningError(reason, f"{message} with a lower learner.learning_rate")
        self.meter.judge(measured, *mass_and_parts[:2])
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(progress)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.step += 1
        self.means.add(dict(zip(loss.parts, mass_and_parts[2:], strict=True)) | {"learner/gradient_norm": norm})

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return sent(array, self.device)


def _normalised(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """To mean 0 and deviation 1, so that the size of the value's errors does not matter."""
    given = torch.from_numpy(advantages)
    normal: NDArray[np.float32] = ((given - float(given.mean())) / (float(given.std(correction=0)) + 1e-6)).numpy()
    return normal
