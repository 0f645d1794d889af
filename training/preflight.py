"""Whether the GPUs that settings ask for are there, asked before anything starts, and what of them is not used."""

import math
import warnings

import torch

from agent.errors import InputError
from kernels.ops.backend import triton_fault
from training.settings import Settings


def check_gpus(settings: Settings, present: int, where: str) -> None:
    """An InputError where the settings ask for more than the GPUs `present` in `where`, such as `this machine`."""
    players = 0 if settings.replay.games is not None else max(settings.selfplay.actors, 1)
    asked = {
        "selfplay.gpus": [settings.selfplay.gpus] * players,
        "inference.gpus": [settings.inference.gpus] if settings.inference.actor else [],
        "learner.gpus": [settings.learner.gpus] * settings.learner.workers,
    }
    shares = sorted((share for each in asked.values() for share in each), reverse=True)
    if not _fit(shares, present):
        parts = " and ".join(f"{len(each)} x {name}={each[0]:g}" for name, each in asked.items() if sum(each))
        fault = f"the settings ask for {sum(shares):g} GPUs ({parts}), and {where} has {present}"
        raise InputError(f"{fault}; lower them, or see zeromass doctor")


def kernels_note(device: torch.device) -> str:
    """A sentence for the user where Triton should run on `device`, a GPU, and cannot; else empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sentence is returned
        fault = triton_fault(device) if device.type == "cuda" else ""
    return f"Triton cannot run here ({fault}); the kernels take torch's operators instead, slower" if fault else ""


def _fit(shares: list[float], gpus: int) -> bool:
    """Whether shares, largest first, fit into so many GPUs; one above 1 takes whole GPUs, as Ray has it."""
    free = [1.0] * gpus
    for share in shares:
        taken, each = (math.ceil(share), 1.0) if share > 1 else (1, share)
        places = [place for place, left in enumerate(free) if left >= each - 1e-9][:taken]
        if each and len(places) < taken:
            return False
        for place in places:
            free[place] -= each
    return True
