"""How an op enters PyTorch: schema, implementation, shape rule and autograd.

`Library.define` + `impl` with an `autograd.Function` under the Autograd key passes `opcheck`, `torch.export` and
`torch.compile(fullgraph=True)`. Calling that Function directly in eager mode saves one trip through the dispatcher.
With an op that does nothing, forward and backward took 62 us this way and 95 us through `register_autograd`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kernels.backend import count_launch, implementation

_library = torch.library.Library("zeromass", "FRAGMENT")  # type: ignore[no-untyped-call]


def register(name: str, schema: str, module: str, fake: Callable[..., Any]) -> Any:
    """Register op `zeromass::name` and return its callable.

    schema: arguments and results; the last argument is `str backend`.
    module: the file of `on_triton`, `on_torch` and `on_numba` that defines a function called `name`.
    fake: gives shapes and dtypes of the results from fake tensors.
    """

    def run(*arguments: Any) -> Any:
        *rest, backend = arguments
        kind, function = implementation(backend, module, name, rest)
        count_launch(name, kind)
        return function(*rest)

    _library.define(f"{name}{schema}")  # type: ignore[no-untyped-call]
    _library.impl(name, run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"zeromass::{name}", fake, lib=_library)
    return getattr(torch.ops.zeromass, name).default


def differentiable(operator: Any, function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """Give `operator` the derivative that `function` defines; return what public code calls.

    `function.forward` and `function.backward` must call operators through `below_autograd`.
    """
    name = operator._schema.name.split("::")[1]
    apply: Callable[..., Any] = function.apply
    _library.impl(name, lambda *arguments: apply(*arguments), "Autograd")  # type: ignore[no-untyped-call]

    def call(*arguments: Any) -> Any:
        # A compiler must see the operator; eager mode takes the shorter way to the same Function.
        return operator(*arguments) if torch.compiler.is_compiling() else apply(*arguments)

    return call


def below_autograd(operator: Any, *arguments: Any) -> Any:
    """Call `operator` from inside the Function that is its Autograd registration."""
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
    """Pass a gradient on; raise when it is differentiated."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *given: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("the masked ops are differentiable once: their backward has no derivative of its own")
