"""How an op enters PyTorch: schema, implementation, shape rule and autograd, by the cheapest route that is complete.

`Library.define` + `impl` with an `autograd.Function` under the Autograd key passes `opcheck`, `torch.export` and
`torch.compile(fullgraph=True)`. Calling that Function directly in eager mode saves one trip through the dispatcher;
`benchmarks/kernels_registration.py` times the alternatives (`custom_op` costs about twice as much a call).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from kernels.backend import count_launch, numba_installed, use_numba

_library = torch.library.Library("zeromass", "FRAGMENT")  # type: ignore[no-untyped-call]
_runs: dict[Any, Callable[..., Any]] = {}


def register(name: str, schema: str, module: str, fake: Callable[..., Any]) -> Any:
    """Register op `zeromass::name` and return its callable.

    schema: arguments and results; the last argument is `str backend`.
    module: the file of `on_triton`, `on_torch` and `on_numba` that defines a function called `name`.
    fake: gives shapes and dtypes of the results from fake tensors.
    """
    _library.define(f"{name}{schema}")  # type: ignore[no-untyped-call]

    def run(*arguments: Any) -> Any:
        kind = backend = arguments[-1]
        arguments = arguments[:-1]
        # Half types and the rare ops without a loop of their own take PyTorch operators.
        if backend == "torch" and _has_numba(module, name) and use_numba(arguments):
            kind = "numba"
        count_launch(name, kind)
        return _implementation(kind, module, name)(*arguments)

    operator = getattr(torch.ops.zeromass, name).default
    _runs[operator] = run
    _library.impl(name, run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"zeromass::{name}", fake, lib=_library)
    return operator


def differentiable(operator: Any, function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """Give `operator` the derivative that `function` defines; return what public code calls.

    `function.forward` must call the operator through `below_autograd`.
    """
    name = operator._schema.name.split("::")[1]
    apply: Callable[..., Any] = function.apply
    _library.impl(name, lambda *arguments: apply(*arguments), "Autograd")  # type: ignore[no-untyped-call]

    def call(*arguments: Any) -> Any:
        # A compiler must see the operator; eager mode takes the shorter way to the same Function.
        return operator(*arguments) if torch.compiler.is_compiling() else apply(*arguments)

    return call


def below_autograd(operator: Any, *arguments: Any) -> Any:
    """Call `operator` from inside the Function that is its Autograd registration.

    Nothing is left to dispatch on when every tensor is a plain one and no mode is active (fake tensors, functional ones
    and tracers are one or the other): then the implementation is called directly, which saves some 12 us.
    """
    if not torch._C._len_torch_dispatch_stack() and all(
        type(argument) is Tensor or not isinstance(argument, Tensor) for argument in arguments
    ):
        return _runs[operator](*arguments)
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*arguments)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a Function's backward refuse to be differentiated, where its first result would need it.

    PyTorch's decorator of this name lets a gradient through as a constant when the incoming one needs no gradient, as
    after `loss.sum()`: a gradient penalty would be silently wrong.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *gradients: Any) -> Any:
        if not torch.is_grad_enabled():
            return backward(ctx, *gradients)
        with torch.no_grad():
            first, *rest = backward(ctx, *gradients)
        given = [tensor for tensor in (*ctx.saved_tensors, *gradients) if tensor is not None]
        return _Refusal.apply(first, *given), *rest  # type: ignore[no-untyped-call]

    return once


class _Refusal(torch.autograd.Function):
    """Pass a gradient on; raise when someone differentiates it."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *given: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("the masked ops are differentiable once: their backward has no derivative of its own")


@cache
def _has_numba(module: str, name: str) -> bool:
    if not numba_installed():
        return False
    try:
        return hasattr(importlib.import_module(f"kernels.on_numba.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != f"kernels.on_numba.{module}":
            raise
        return False


@cache
def _implementation(kind: str, module: str, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(f"kernels.on_{kind}.{module}"), name)
    return found
