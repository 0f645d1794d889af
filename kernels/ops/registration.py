"""How an op enters PyTorch: schema, implementation, shape rule and autograd.

`Library.define` + `impl` with an `autograd.Function` under the Autograd key passes `opcheck`, `torch.export` and
`torch.compile(fullgraph=True)`. Calling that Function directly in eager mode saves one trip through the dispatcher.
With an op that does nothing, forward and backward took 62 us this way and 95 us through `register_autograd`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kernels.ops.backend import implementation, launched

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
        launched[f"{name}.{kind}"] += 1
        return function(*rest)

    _library.define(f"{name}{schema}")  # type: ignore[no-untyped-call]
    _library.impl(name, run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"zeromass::{name}", fake, lib=_library)
    return getattr(torch.ops.zeromass, name).default


def differentiable(
    forward: Any, backward: Callable[..., Tensor], keep: Callable[..., tuple[Any, Any]], gradients: int = 1
) -> Callable[..., Any]:
    """Give operator `forward` a derivative with respect to its first argument; return what public code calls.

    backward: takes the gradients of the first `gradients` results, the others have none, and then what `keep` gave.
    keep: from arguments and results of `forward`, the tensors and then the other values that `backward` needs.

    The backward refuses to be differentiated. PyTorch's own `once_differentiable` lets a gradient through as a constant
    when the incoming one needs no gradient, as after `loss.sum()`: a gradient penalty would be silently wrong.
    """

    class Derivative(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> Any:
            with torch._C._AutoDispatchBelowAutograd():
                found = forward(*arguments)
            results = found if isinstance(found, tuple) else (found,)
            tensors, ctx.rest = keep(*arguments, *results)
            ctx.save_for_backward(*tensors)
            ctx.mark_non_differentiable(*results[gradients:])
            ctx.set_materialize_grads(False)
            ctx.others = (None,) * (len(arguments) - 1)
            return found

        @staticmethod
        def backward(ctx: Any, *given: Tensor | None) -> Any:
            incoming, saved = given[:gradients], ctx.saved_tensors
            if all(gradient is None for gradient in incoming):
                return None, *ctx.others
            with torch._C._AutoDispatchBelowAutograd():
                result = backward(*incoming, *saved, *ctx.rest)
            if torch.is_grad_enabled():
                needed = [tensor for tensor in (*saved, *incoming) if tensor is not None]
                result = _Refusal.apply(result, *needed)  # type: ignore[no-untyped-call]
            return result, *ctx.others

    name = forward._schema.name.split("::")[1]
    apply: Callable[..., Any] = Derivative.apply
    _library.impl(name, lambda *arguments: apply(*arguments), "Autograd")  # type: ignore[no-untyped-call]

    def call(*arguments: Any) -> Any:
        # A compiler must see the operator; eager mode takes the shorter way to the same Function.
        return forward(*arguments) if torch.compiler.is_compiling() else apply(*arguments)

    return call


class _Refusal(torch.autograd.Function):
    """Pass a gradient on; raise when it is differentiated."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *given: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("the masked ops are differentiable once: their backward has no derivative of its own")
