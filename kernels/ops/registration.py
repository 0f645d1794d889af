"""How an op enters PyTorch: schema, implementation, shape rule and autograd.

`Library.define` + `impl` with an `autograd.Function` under the Autograd key passes `opcheck`, `torch.export` and
`torch.compile(fullgraph=True)`. Calling that Function directly in eager mode saves one trip through the dispatcher.
With an op that does nothing, forward and backward took 62 us this way and 95 us through `register_autograd`.
Python's part of `Function.apply`, which binds arguments for function transforms, would take another 37 us.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import forward_ad
from torch.utils._pytree import tree_map, tree_map_only

from kernels.ops.arguments import row_dtype
from kernels.ops.backend import implementation, launched

_library = torch.library.Library("zeromass", "FRAGMENT")  # type: ignore[no-untyped-call]


def register(body: Callable[..., Any], fake: Callable[..., Any] | None = None) -> Any:
    """Register an op that takes the arguments of `body` and then `str backend`; return what calls it: the operator, or
    in eager mode its implementation `run` at once, which saves the dispatcher's time. body: a function of `on_torch`;
    functions of that name in the same file of `on_triton` and `on_numba` do the same. fake: gives shapes and dtypes of
    the results from fake arguments; by default those of the argument `logits`."""
    name, module = body.__name__, body.__module__.rpartition(".")[2]
    given, arrow, results = torch.library.infer_schema(body, mutates_args=()).rpartition(") -> ")
    if fake is None:
        place = list(body.__annotations__).index("logits")

        def fake(*arguments: Any) -> Any:
            return arguments[place].new_empty(arguments[place].shape)

    def run(*arguments: Any) -> Any:
        rest = arguments[:-1]
        kind, function = implementation(arguments[-1], module, name, rest)
        launched[name, kind] += 1
        return function(*rest)

    schema = f"{name}{given}, str backend{arrow}{results}".replace("SymInt", "int")
    _library.define(schema)  # type: ignore[no-untyped-call]
    _library.impl(name, run, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"zeromass::{name}", fake, lib=_library)
    op = getattr(torch.ops.zeromass, name).default
    torch.library.register_vmap(f"zeromass::{name}", _over_rows(op), lib=_library)

    def call(*arguments: Any) -> Any:
        return run(*arguments) if _unseen(arguments) else op(*arguments)

    call.op, call.run = op, run  # type: ignore[attr-defined]
    return call


def _unseen(arguments: tuple[Any, ...]) -> bool:
    """Whether no one looks for operators: no compiler, tracer, profiler, mode, transform or subclass of tensors."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state()
        or torch._C._autograd._profiler_enabled()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    ) and _plain(arguments)


def _plain(arguments: Iterable[Any]) -> bool:
    for one in arguments:
        kind = type(one)
        if kind is Tensor or kind is torch.nn.Parameter:
            # Views that the dispatcher resolves, tensors without data, gradients that autograd batches.
            if one.is_neg() or one.is_meta or torch._C._functorch.is_legacy_batchedtensor(one):
                return False
        elif kind is list:
            if not _plain(one):
                return False
        elif kind not in _NUMBERS:
            return False
    return True


_NUMBERS = {int, float, str, torch.dtype, type(None)}


def _over_rows(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule by which `torch.vmap` maps `call`: rows are independent, so calls make one of more rows."""

    def rule(info: Any, in_dims: Any, *arguments: Any) -> tuple[Any, int]:
        size = info.batch_size

        def first(argument: Any, dim: int | None) -> Any:
            if not isinstance(argument, Tensor):
                return argument
            return argument.expand(size, *argument.shape) if dim is None else argument.movedim(dim, 0)

        batch = tree_map(first, arguments, in_dims)
        # Ragged targets, three tensors in a list, are no rows: each call by itself.
        if any(isinstance(one, list) and len(one) == 3 and one[1].dtype == torch.int64 for one in batch):
            found = [call(*tree_map_only(Tensor, itemgetter(i), batch)) for i in range(size)]
            return tree_map(lambda *results: torch.stack(results), *found), 0
        rows = next(one.shape[1] for one in batch if isinstance(one, Tensor))
        found = call(*tree_map_only(Tensor, lambda one: one.flatten(0, 1), batch))
        return tree_map(lambda result: result.unflatten(0, (size, rows)), found), 0

    return rule


def differentiable(
    forward: Any,
    backward: Callable[..., Tensor],
    keep: Callable[..., tuple[Any, Any]],
    push: Callable[..., tuple[Tensor, ...]] | None = None,
    gradients: int = 1,
) -> Callable[..., Any]:
    """Give operator `forward` a derivative with respect to its first argument; return what public code calls.

    backward: takes the gradients of the first `gradients` results, the others have none, and then what `keep` gave.
    keep: from arguments and results of `forward`, the tensors and then the other values that `backward` needs.
    push: takes a tangent of the first argument and what `keep` gave; gives those of the first `gradients` results. Not
    needed where these are one number a row, whose tangents follow from the backward.

    The backward refuses to be differentiated. PyTorch's own `once_differentiable` lets a gradient through as a constant
    when the incoming one needs no gradient, as after `loss.sum()`: a gradient penalty would be silently wrong.
    """

    def along_rows(tangent: Tensor, *kept: Any) -> tuple[Tensor, ...]:
        one = tangent.new_ones(tangent.shape[0], dtype=row_dtype(tangent.dtype))
        each = [[one if i == j else None for j in range(gradients)] for i in range(gradients)]
        slopes = (backward(*incoming, *kept).to(one.dtype) for incoming in each)
        # Illegal entries take no part, whatever their tangent.
        return tuple(torch.where(slope == 0, 0.0, slope * tangent).sum(1) for slope in slopes)

    class Derivative(torch.autograd.Function):
        @staticmethod
        def forward(*arguments: Any) -> Any:
            if _unseen(arguments):
                return forward.run(*arguments)
            with torch._C._AutoDispatchBelowAutograd():
                return forward.op(*arguments)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            results = output if isinstance(output, tuple) else (output,)
            tensors, ctx.rest = keep(*inputs, *results)
            ctx.save_for_backward(*tensors)
            ctx.save_for_forward(*tensors)
            ctx.mark_non_differentiable(*results[gradients:])
            ctx.set_materialize_grads(False)
            ctx.others = (None,) * (len(inputs) - 1)
            ctx.dtypes = [result.dtype for result in results]

        @staticmethod
        def backward(ctx: Any, *given: Tensor | None) -> Any:
            saved = ctx.saved_tensors
            incoming = [
                one if one is None or one.layout == torch.strided else one.to_dense() for one in given[:gradients]
            ]
            if all(one is None for one in incoming):
                return None, *ctx.others
            with torch._C._AutoDispatchBelowAutograd():
                result = backward(*incoming, *saved, *ctx.rest)
            return _once(result, *saved, *incoming), *ctx.others

        @staticmethod
        def jvp(ctx: Any, tangent: Tensor, *others: None) -> Any:
            saved = ctx.saved_tensors
            pushed = zip((push or along_rows)(tangent, *saved, *ctx.rest), ctx.dtypes, strict=False)
            found = [_once(one.to(dtype), *saved, tangent) for one, dtype in pushed]
            return (*found, *[None] * (len(ctx.dtypes) - gradients)) if len(ctx.dtypes) > 1 else found[0]

        vmap = staticmethod(_over_rows(lambda *arguments: apply(*arguments)))

    shorter = super(torch.autograd.Function, Derivative).apply

    def apply(*arguments: Any) -> Any:
        if torch._C._are_functorch_transforms_active():
            return Derivative.apply(*arguments)  # type: ignore[no-untyped-call]
        return shorter(*unwrap_dead_wrappers(arguments))  # type: ignore[no-untyped-call]

    _library.impl(forward.op._schema.name.split("::")[1], apply, "Autograd")  # type: ignore[no-untyped-call]

    def call(*arguments: Any) -> Any:
        # A compiler or tracer must see the operator; eager mode takes the shorter way to the same Function, or to what
        # it computes where there is nothing to differentiate.
        if _unseen(arguments):
            wanted = torch.is_grad_enabled() and arguments[0].requires_grad
            return apply(*arguments) if wanted else forward.run(*arguments)
        seen = torch.compiler.is_compiling() or torch._C._get_tracing_state()
        return forward.op(*arguments) if seen else apply(*arguments)

    return call


def _once(result: Tensor, *given: Tensor | None) -> Tensor:
    """Return a derivative that refuses to be differentiated with respect to what it was computed from."""
    if not torch.is_grad_enabled() and forward_ad._current_level < 0:
        return result
    refused: Tensor = _Refusal.apply(result, *(one for one in given if one is not None))  # type: ignore[no-untyped-call]
    return refused


class _Refusal(torch.autograd.Function):
    """Pass a derivative on; raise when it is differentiated."""

    @staticmethod
    def forward(derivative: Tensor, *given: Tensor) -> Tensor:
        return derivative.view_as(derivative)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("the masked ops are differentiable once: their derivatives have none of their own")

    jvp = backward
    generate_vmap_rule = True
    setup_context = staticmethod(lambda ctx, inputs, output: None)
