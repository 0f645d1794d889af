"""What the Triton kernels compile to, read from the compiled code: no GPU needed.

    python -m benchmarks.kernels.static [--json] [--size 1880] [--target sm_90] [--kernel softmax]

The public launchers run on CPU tensors with each kernel replaced by a recorder, so what is compiled is exactly what
they would launch. Registers, stack and shared memory come from the cubin's own resource table (`cuobjdump`), global
accesses from its machine code; on AMD, both from the assembly.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

TARGETS = {
    "sm_80": ("cuda", 80, 32),
    "sm_90": ("cuda", 90, 32),
    "sm_100": ("cuda", 100, 32),
    "gfx942": ("hip", "gfx942", 64),
}
MODULES = ("softmax", "terms", "cross_entropy", "sampling", "compact", "legality")
ROWS = 64
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
POINTERS = {
    torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.float64: "*fp64",
    torch.int64: "*i64", torch.int32: "*i32", torch.uint16: "*u16", torch.uint8: "*u8",
}  # fmt: skip


class Launch(NamedTuple):
    """A recorded launch."""

    kernel: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Compiled(NamedTuple):
    """One kernel for one target, as its machine code has it."""

    kernel: str
    target: str
    dtype: str
    size: int
    legal: str  # what the row's loads are: "wide" (aligned 128-bit groups) or "narrow"
    warps: int
    registers: int
    spill_bytes: int
    shared_bytes: int
    loads: dict[str, int]  # width in bits -> global load instructions
    stores: dict[str, int]


def recorded(size: int, dtype: torch.dtype) -> list[Launch]:
    """Return every launch of the family on contiguous `[64, size]` rows of `dtype`."""
    modules = {name: importlib.import_module(f"kernels.on_triton.{name}") for name in MODULES}
    softmax, terms, cross_entropy, sampling, compact, legality = modules.values()
    rows = torch.zeros(ROWS, size, dtype=dtype)
    words = torch.zeros(ROWS, (size + 31) // 32, dtype=torch.int32)
    column = torch.zeros(ROWS, dtype=torch.int64)
    value, known = torch.zeros(ROWS), torch.zeros(ROWS, dtype=torch.bool)
    index, dense = [column], [rows]
    ragged = [torch.zeros(9, dtype=torch.uint16), torch.zeros(ROWS + 1, dtype=torch.int64), torch.zeros(9).half()]
    calls: list[Launch] = []
    with _recording(list(modules.values()), calls):
        softmax.masked_softmax(rows, words, 0, dtype)
        softmax.masked_softmax_backward(rows, rows, words, 0, dtype)
        softmax.masked_log_softmax(rows, words, 0, -math.inf, dtype)
        softmax.masked_log_softmax_backward(rows, rows, words, value, value, 0)
        terms.policy_terms(rows, words, column)
        terms.policy_terms_backward(value, value, rows, words, column, value, value, value)
        for form, smoothing, z in (
            (index, 0.0, 0.0), (dense, 0.0, 0.0), (ragged, 0.0, 0.0), (index, 0.1, 1e-4), (dense, 0.1, 1e-4),
        ):  # fmt: skip
            cross_entropy.cross_entropy(rows, words, form, smoothing, z)
            cross_entropy.cross_entropy_backward(value, rows, words, form, smoothing, z, [value, value, known])
        sampling.masked_sample(rows, words, 2**40 + 1, column, 1.0)
        values, indices, _counts, _peak, _log_sum = compact.legal_log_probs(rows, words, 218)
        compact.legal_log_probs_backward(values, indices, rows, words, value, value)
        legality.invalid_mass(rows, words)
        legality.pack_legal(torch.zeros(ROWS, size, dtype=torch.uint8))
        legality.unpack_legal(words, size)
    return calls


@contextmanager
def _recording(modules: list[Any], calls: list[Launch]) -> Iterator[None]:
    """Replace each kernel of the modules by one that appends its launch to `calls`."""

    class Recorder:
        def __init__(self, kernel: Any) -> None:
            self.kernel = kernel

        def __getitem__(self, grid: Any) -> Callable[..., None]:
            return lambda *arguments, **options: calls.append(Launch(self.kernel, arguments, options))

    replaced = [
        (module, name, kernel)
        for module in modules
        for name, kernel in list(vars(module).items())
        if name.endswith("_kernel")
    ]
    for module, name, kernel in replaced:
        setattr(module, name, Recorder(kernel))
    try:
        yield
    finally:
        for module, name, kernel in replaced:
            setattr(module, name, kernel)


def compile_launch(launch: Launch, target: str) -> Any:
    """Compile a recorded launch ahead of time, specialised as Triton's launcher would."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from kernels.on_triton.launch import launch_options

    options = dict(launch.options)
    for name in launch_options(amd=False):
        options.pop(name)
    tuning = launch_options(amd=target.startswith("gfx"))
    signature: dict[str, str] = {}
    constants: dict[tuple[int], Any] = {}
    attributes: dict[tuple[int], Any] = {}
    for i, parameter in enumerate(launch.kernel.params):
        name = parameter.name
        value = options[name] if name in options else launch.arguments[i]
        special = not parameter.do_not_specialize
        if parameter.is_constexpr or (special and type(value) is int and value == 1):
            signature[name] = "constexpr"
            constants[(i,)] = value
        elif isinstance(value, torch.Tensor):
            signature[name] = POINTERS[value.dtype]
            attributes[(i,)] = [["tt.divisibility", 16]]
        elif isinstance(value, float):
            signature[name] = "fp32"
        else:
            signature[name] = "i32" if -(2**31) <= value < 2**31 else "i64"
            if special and value % 16 == 0:
                attributes[(i,)] = [["tt.divisibility", 16]]
    source = ASTSource(launch.kernel, signature, constants, attributes)
    return triton.compile(source, target=GPUTarget(*TARGETS[target]), options=tuning)


def inspect(launch: Launch, target: str, dtype: str, size: int) -> Compiled:
    """Compile and read the result."""
    compiled = compile_launch(launch, target)
    read = _read_amd if target.startswith("gfx") else _read_nvidia
    registers, spilled, shared, loads, stores = read(compiled)
    kind = {True: "wide", False: "narrow", None: ""}[launch.options.get("WIDE", launch.options.get("WIDE_OUT"))]
    name = launch.kernel.__name__
    detail = [flag.lower() for flag in ("LOG", "SOFT") if launch.options.get(flag)]
    if launch.options.get("EPS"):
        detail.append("smoothed")
    return Compiled(
        " ".join([name, *detail]), target, dtype, size, kind, compiled.metadata.num_warps, registers, spilled, shared,
        loads, stores,
    )  # fmt: skip


Reading = tuple[int, int, int, dict[str, int], dict[str, int]]


def _read_nvidia(compiled: Any) -> Reading:
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(compiled.asm["cubin"])
        usage = subprocess.run([tool, "-res-usage", cubin], capture_output=True, text=True, check=True).stdout
        code = subprocess.run([tool, "-sass", cubin], capture_output=True, text=True, check=True).stdout
    # One kernel a cubin; a common entry with no registers may stand beside it.
    found = re.findall(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", usage)
    registers, stack, _static_shared, local = max(tuple(map(int, row)) for row in found)
    count = {kind: collections.Counter[str]() for kind in ("LDG", "STG")}
    for kind, suffix in re.findall(r"\b(LDG|STG)\.E((?:\.\w+)*)", code):
        width = next((part for part in suffix.split(".") if part in {"U8", "S8", "U16", "S16", "64", "128"}), "32")
        count[kind][width.lstrip("US")] += 1
    return registers, stack + local, compiled.metadata.shared, dict(count["LDG"]), dict(count["STG"])


def _read_amd(compiled: Any) -> Reading:
    text = compiled.asm["amdgcn"]

    def number(name: str) -> int:
        return max(int(value) for value in re.findall(rf"\.{name}:\s*(\d+)", text))

    count = {kind: collections.Counter[str]() for kind in ("load", "store")}
    widths = {
        "dword": "32", "dwordx2": "64", "dwordx3": "96", "dwordx4": "128", "b32": "32", "b64": "64", "b128": "128",
    }  # fmt: skip
    for kind, suffix in re.findall(r"\b(?:global|buffer)_(load|store)_(\w+)", text):
        narrow = "8" if "byte" in suffix else "16"
        count[kind][widths.get(suffix, narrow)] += 1
    # Scalar registers spill to lanes of vector registers; what goes to memory is the private segment.
    spilled = number("private_segment_fixed_size") + 4 * number("vgpr_spill_count")
    return number("vgpr_count"), spilled, compiled.metadata.shared, dict(count["load"]), dict(count["store"])


def report(size: int, targets: list[str], dtypes: list[str], kernel: str = "") -> list[Compiled]:
    """Compile and read the family, or the kernels whose name starts with `kernel`."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise RuntimeError("the static report compiles kernels: run it without TRITON_INTERPRET=1")
    return [
        inspect(launch, target, name, size)
        for name in dtypes
        for launch in recorded(size, DTYPES[name])
        if launch.kernel.__name__.startswith(kernel)
        for target in targets
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="what the Triton kernels compile to")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--size", type=int, default=1880, help="columns a row")
    parser.add_argument("--target", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=["float32", "bfloat16"])
    parser.add_argument("--kernel", default="", help="only kernels whose name starts with this")
    options = parser.parse_args()
    found = report(options.size, options.target, options.dtype, options.kernel)
    if options.json:
        print(json.dumps([row._asdict() for row in found]))
        return
    print(f"{'kernel':44} {'target':7} {'dtype':9} warps regs spill shared  loads / stores (bits: count)")
    for row in found:
        print(
            f"{row.kernel:44} {row.target:7} {row.dtype:9} {row.warps:5} {row.registers:4} {row.spill_bytes:5} "
            f"{row.shared_bytes:6}  {row.loads} / {row.stores}"
        )


if __name__ == "__main__":
    main()
