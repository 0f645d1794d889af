"""Whether the GPUs that settings ask for are there, asked before anything starts, and whether torch can use them."""

import ctypes
import math
import warnings
from typing import Final

import torch

from agent.errors import InputError
from kernels.ops.backend import triton_fault
from training.settings import Settings

LEAST_DRIVERS: Final = {11: 450, 12: 525, 13: 580}  # NVIDIA's oldest driver on Linux for each CUDA, all its minor ones


def check_gpus(settings: Settings, present: int, where: str) -> None:
    """An InputError where the settings ask for more than the GPUs `present` in `where`, such as `this machine`."""
    players = 0 if settings.replay.games is not None else max(settings.selfplay.actors, 1)
    asked = {"selfplay.gpus": [settings.selfplay.gpus] * players, "learner.gpus": [settings.learner.gpus]}
    shares = sorted((share for each in asked.values() for share in each), reverse=True)
    if not _fit(shares, present):
        parts = " and ".join(f"{len(each)} x {name}={each[0]:g}" for name, each in asked.items() if sum(each))
        fault = f"the settings ask for {sum(shares):g} GPUs ({parts}), and {where} has {present}"
        raise InputError(f"{fault}; lower them, or see zeromass doctor")


def nvidia_driver() -> tuple[str, int]:
    """Version of NVIDIA's driver as its library NVML says it, and how many GPUs it drives; `""` and 0 without one. A
    driver that does not answer, as after an update without a restart, is `"error N"`."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return "", 0
    version, count = ctypes.create_string_buffer(96), ctypes.c_uint()
    asked = nvml.nvmlInit_v2(), nvml.nvmlSystemGetDriverVersion(version, 96)
    error = max(*asked, nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
    return (f"error {error}", 0) if error else (version.value.decode(), count.value)


def cuda_state(built: str | None, driver: str, gpus: int, usable: bool) -> tuple[str, str]:
    """What torch's CUDA `built` (None: none) and NVIDIA's `driver` with its `gpus` are, and where they do not fit what
    to do, else empty; `usable`: torch finds a GPU."""
    other_build = "ROCm" if usable else "CPUs only"
    torchs, drivers = f"torch for {f'CUDA {built}' if built else other_build}", f"driver {driver or 'none'}"
    state, change = f"{torchs}, NVIDIA {drivers}", "make clean, then make test TORCH_INDEX=URL"
    if usable or not driver:
        return state, ""
    if driver.startswith("error"):
        return state, f"NVIDIA's driver does not answer (NVML {driver}): restart the machine after an update of it."
    if not gpus:
        return state, ""
    if built is None:
        return state, f"the GPU here is not used, for this torch is built for CPUs: install a CUDA build ({change})."
    least = LEAST_DRIVERS.get(int(built.split(".")[0]), 0)
    if int(driver.split(".")[0]) < least:
        other = f", or install the cu126 build ({change})" if int(driver.split(".")[0]) >= LEAST_DRIVERS[12] else ""
        return state, f"{drivers} is too old for CUDA {built}, which needs {least} or newer: update it{other}."
    return state, f"{drivers} fits CUDA {built}, and yet torch finds no GPU: look at CUDA_VISIBLE_DEVICES."


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
