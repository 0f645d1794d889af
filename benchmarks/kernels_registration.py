"""What a call of a registered op costs before any work is done, by the way it is registered.

    python -m benchmarks.kernels_registration [--json]

An op that allocates its result and no more, `[8, 8]`, forward and backward, in five ways. The kernel itself takes about
10 us on a GPU, so that the way in counts. `ours` is what `kernels/registration.py` does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels import take_turns
from kernels.registration import below_autograd, differentiable, once_differentiable, register


def forward(x: Tensor, words: Tensor) -> Tensor:
    return torch.empty_like(x)


def backward(gradient: Tensor, y: Tensor, words: Tensor) -> Tensor:
    return torch.empty_like(gradient)


def function(run: Callable[..., Tensor], derive: Callable[..., Tensor], once: bool = False) -> Any:
    """An autograd.Function around the two; `once` refuses to be differentiated twice, as ours do."""

    def derived(ctx: Any, gradient: Tensor) -> Any:
        return derive(gradient, *ctx.saved_tensors), None

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, words: Tensor) -> Tensor:
            y = run(x, words)
            ctx.save_for_backward(y, words)
            return y

        backward = staticmethod(once_differentiable(derived) if once else derived)

    return Function


def ways() -> dict[str, Callable[..., Tensor]]:
    """Register the same op in each way."""

    def setup(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(output, inputs[1])

    custom = torch.library.custom_op("zeromass_bench::custom", forward, mutates_args=())
    custom_backward = torch.library.custom_op("zeromass_bench::custom_backward", backward, mutates_args=())
    custom.register_autograd(lambda ctx, g: (custom_backward(g, *ctx.saved_tensors), None), setup_context=setup)

    library = torch.library.Library("zeromass_bench", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("registered", "outside", "key"):
        for suffix, code, schema in (
            ("", forward, "(Tensor x, Tensor words) -> Tensor"),
            ("_backward", backward, "(Tensor gradient, Tensor y, Tensor words) -> Tensor"),
        ):
            library.define(f"{name}{suffix}{schema}")  # type: ignore[no-untyped-call]
            library.impl(f"{name}{suffix}", code, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    ops = torch.ops.zeromass_bench
    torch.library.register_autograd(
        "zeromass_bench::registered",
        lambda ctx, g: (ops.registered_backward(g, *ctx.saved_tensors), None),
        setup_context=setup,
        lib=library,
    )
    outside = function(ops.outside.default, ops.outside_backward.default)
    below = function(_below(ops.key.default), ops.key_backward.default)
    library.impl("key", lambda *a: below.apply(*a), "Autograd")  # type: ignore[no-untyped-call]
    _keep.append(library)

    ours = register("bench", "(Tensor x, Tensor words, str backend) -> Tensor", "bench", lambda x, w, b: forward(x, w))
    ours_backward = register(
        "bench_backward",
        "(Tensor gradient, Tensor y, Tensor words, str backend) -> Tensor",
        "bench",
        lambda g, y, w, b: backward(g, y, w),
    )
    import sys
    import types

    module = types.ModuleType("kernels.on_torch.bench")
    module.bench, module.bench_backward = forward, backward  # type: ignore[attr-defined]
    sys.modules["kernels.on_torch.bench"] = module
    apply = differentiable(
        ours,
        function(
            lambda x, w: below_autograd(ours, x, w, "torch"),
            lambda *a: below_autograd(ours_backward, *a, "torch"),
            once=True,
        ),
    )
    return {
        "custom_op": custom,
        "define, impl, register_autograd": ops.registered.default,
        "define, impl, Function under the Autograd key": ops.key.default,
        "define, impl, Function outside": outside.apply,
        "ours: the last two, a short cut, and routing": lambda x, w: apply(x, w),
        "no dispatcher (invisible to the compiler)": function(forward, backward).apply,
    }


_keep: list[Any] = []


def run(rounds: int = 3000) -> dict[str, Any]:
    """Return results in microseconds a call, forward alone and with backward."""
    x, words = torch.zeros(8, 8, requires_grad=True), torch.zeros(8, 1, dtype=torch.int32)
    gradient = torch.ones(8, 8)
    calls: dict[str, Callable[[], Any]] = {}
    for name, way in ways().items():
        calls[f"{name}: forward"] = partial(way, x, words)
        calls[f"{name}: forward and backward"] = partial(_both, way, x, words, gradient)
    timings = take_turns(calls, rounds, torch.device("cpu"))
    return {"results": [{"name": name, "value": t.median, "unit": "us"} for name, t in timings.items()], "ratios": []}


def _below(operator: Any) -> Callable[..., Tensor]:
    def run(*arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    return run


def _both(way: Callable[..., Tensor], x: Tensor, words: Tensor, gradient: Tensor) -> Any:
    return torch.autograd.grad(way(x, words), x, gradient)


def main() -> None:
    parser = argparse.ArgumentParser(description="eager overhead of the ways to register an op")
    parser.add_argument("--json", action="store_true")
    found = run()
    if parser.parse_args().json:
        print(json.dumps(found))
        return
    for row in found["results"]:
        print(f"{row['name']:70}{row['value']:8.1f} {row['unit']}")


if __name__ == "__main__":
    main()
