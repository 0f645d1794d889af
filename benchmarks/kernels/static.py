"""What the Triton kernels compile to, read from the compiled code: no GPU needed.

    python -m benchmarks.kernels.static [--json] [--size 1880] [--target sm_90] [--kernel softmax]

The public launchers run on CPU tensors with each kernel replaced by a recorder, so what is compiled is exactly what
they would launch. Registers, stack and shared memory come from the cubin's own resource table (`cuobjdump`), global
accesses from its machine code; on AMD, both from the assembly."""

import argparse
import collections
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from rich.console import Console
from rich.table import Table

TARGETS = {
    **{f"sm_{chip}": ("cuda", chip, 32) for chip in (75, 80, 86, 89, 90, 100, 120)},
    "gfx942": ("hip", "gfx942", 64),
    "gfx1100": ("hip", "gfx1100", 32),
}
ROWS = 64
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
POINTERS = {
    torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.float64: "*fp64",
    torch.int64: "*i64", torch.int32: "*i32", torch.uint16: "*u16", torch.uint8: "*u8",
}  # fmt: skip


class Launch(NamedTuple):
    kernel: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def recorded(size: int, dtype: torch.dtype) -> list[Launch]:
    """Return every launch of the family on contiguous `[64, size]` rows of `dtype`."""
    from kernels.on_triton import cross_entropy, legality, softmax, terms

    rows = torch.zeros(ROWS, size, dtype=dtype)
    words = torch.zeros(ROWS, (size + 31) // 32, dtype=torch.int32)
    column = torch.zeros(ROWS, dtype=torch.int64)
    value, known = torch.zeros(ROWS), torch.zeros(ROWS, dtype=torch.bool)
    index, dense = [column], [rows]
    ragged = [torch.zeros(9, dtype=torch.uint16), torch.zeros(ROWS + 1, dtype=torch.int64), torch.zeros(9).half()]
    calls: list[Launch] = []
    with ExitStack() as stack:
        for module in (softmax, terms, cross_entropy, legality):
            for name, kernel in list(vars(module).items()):
                if name.endswith("_kernel"):
                    stack.enter_context(mock.patch.object(module, name, Recorder(kernel, calls)))
        softmax.masked_softmax(rows, words, 0, dtype)
        softmax.masked_softmax_backward(rows, rows, words, 0, dtype)
        softmax.masked_log_softmax(rows, words, 0, -math.inf, dtype)
        softmax.masked_log_softmax_backward(rows, rows, words, value, value, 0)
        terms.policy_terms(rows, words, column)
        terms.policy_terms_backward(value, value, rows, words, column, value, value, value)
        for form in (index, dense, ragged):
            cross_entropy.cross_entropy(rows, words, form)
            cross_entropy.cross_entropy_backward(value, rows, words, form, [value, value, known])
        terms.masked_sample(rows, words, 2**40 + 1, column, 1.0)
        values, indices, _counts, _peak, _log_sum = softmax.legal_log_probs(rows, words, 218)
        softmax.legal_log_probs_backward(values, indices, rows, words, value, value)
        legality.invalid_mass(rows, words)
        legality.pack_legal(torch.zeros(ROWS, size, dtype=torch.uint8))
        legality.unpack_legal(words, size)
    return calls


@dataclass
class Recorder:
    """In place of a kernel: appends its launches to `calls`."""

    kernel: Any
    calls: list[Launch]

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return lambda *arguments, **options: self.calls.append(Launch(self.kernel, arguments, options))


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


def inspect(launch: Launch, target: str) -> dict[str, Any]:
    """Compile a kernel for a target and read the result: one row of the report. `legal` is what the row's loads are:
    "wide" (aligned 128-bit groups) or "narrow". `loads` and `stores` count global instructions by their width in
    bits."""
    compiled = compile_launch(launch, target)
    registers, spilled, loads, stores = (_read_amd if target.startswith("gfx") else _read_nvidia)(compiled)
    detail = [flag.lower() for flag in ("LOG", "SOFT", "RAGGED") if launch.options.get(flag)]
    return {
        "kernel": " ".join([launch.kernel.__name__, *detail]),
        "target": target,
        "legal": {True: "wide", False: "narrow", None: ""}[launch.options.get("WIDE", launch.options.get("WIDE_OUT"))],
        "warps": compiled.metadata.num_warps,
        "registers": registers,
        "spill_bytes": spilled,
        "shared_bytes": compiled.metadata.shared,
        "loads": loads,
        "stores": stores,
    }


Reading = tuple[int, int, dict[str, int], dict[str, int]]  # registers, bytes spilled, loads, stores


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
    return registers, stack + local, dict(count["LDG"]), dict(count["STG"])


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
    return number("vgpr_count"), spilled, dict(count["load"]), dict(count["store"])


def main() -> None:
    parser = argparse.ArgumentParser(description="what the Triton kernels compile to")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--size", type=int, default=1880, help="columns a row")
    parser.add_argument("--target", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=["float32", "bfloat16"])
    parser.add_argument("--kernel", default="", help="only kernels whose name starts with this")
    options = parser.parse_args()
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise RuntimeError("the static report compiles kernels: run it without TRITON_INTERPRET=1")
    found = [
        {"dtype": dtype, "size": options.size, **inspect(launch, target)}
        for dtype in options.dtype
        for launch in recorded(options.size, DTYPES[dtype])
        if launch.kernel.__name__.startswith(options.kernel)
        for target in options.target
    ]
    if options.json:
        print(json.dumps(found))
        return
    table = Table(*found[0], title="What the Triton kernels compile to")
    for row in found:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
