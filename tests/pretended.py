# mypy: ignore-errors
"""A pytest plugin that pretends there is a CUDA device: `TRITON_INTERPRET=1 pytest -p tests.pretended FILES`.

Memory of the device is CPU memory whose storage is marked. Every call of PyTorch from Python is seen: mixing devices
and `.numpy()` raise as on CUDA, copies and host synchronisations are counted, Triton kernels run in its interpreter,
graphs are run again. Not shown: races, rounding, capture, time."""

import contextlib
import os
import threading
from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

os.environ.setdefault("TRITON_INTERPRET", "1")
CUDA = torch.device("cuda", 0)
counts: Counter[str] = Counter()  # synchronisations and copies by kind, bytes copied by direction
order = list[str]()  # graphs launched, answers waited for

_SYNCHRONISING = {
    Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__, Tensor.nonzero,
    torch.nonzero, torch.equal, Tensor.equal, torch.masked_select, torch.unique, torch.repeat_interleave,
    Tensor.repeat_interleave, torch.bincount, torch.allclose, torch.is_nonzero,
}  # fmt: skip
_MIXING = {"_has_compatible_shallow_copy_type", "swap_tensors", "backward", "grad", "set_", "__deepcopy__", "copy_"}


def on_device(value: Any) -> bool:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
        return False
    return getattr(value.untyped_storage(), "pretended", False)


def mark(value: Any) -> Any:
    for tensor in _tensors(value):
        if tensor.layout == torch.strided and not tensor.is_meta:
            tensor.untyped_storage().pretended = True
    return value


def synchronisations() -> int:
    """Times the host waited for the device since the start."""
    return sum(number for kind, number in counts.items() if kind.startswith("sync"))


def _tensors(value: Any) -> list[Tensor]:
    return [one for one in tree_flatten(value)[0] if isinstance(one, Tensor)]


def _is_cuda(device: Any) -> bool:
    return isinstance(device, int) or torch.device(device).type == "cuda"


class Pretended(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunction():
            return _call(func, args, dict(kwargs or {}))


def _call(func, args, kwargs):
    name, first = getattr(func, "__name__", str(func)), args[0] if args else None
    if func in (Tensor.device.__get__, Tensor.is_cuda.__get__, Tensor.is_cpu.__get__, Tensor.get_device):
        if not on_device(first):
            return func(*args, **kwargs)
        return {"get_device": 0}.get(name, CUDA if func == Tensor.device.__get__ else func == Tensor.is_cuda.__get__)
    if func in (Tensor.numpy, Tensor.__array__) and on_device(first):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
        return _move(func, first, list(args[1:]), kwargs)
    if func == Tensor.pin_memory:
        first.untyped_storage().pinned = True
        return first
    asked = kwargs.get("device")
    if asked is not None and _is_cuda(asked):
        kwargs["device"] = "cpu"
    kwargs.pop("pin_memory", None)
    given = _tensors((args, kwargs))
    there = [on_device(tensor) for tensor in given]
    if any(there):
        _check(func, name, args, given, there)
    if func == Tensor.copy_ and len(given) > 1 and there[0] != there[1]:
        _count(given[1], to_device=there[0], waits=not kwargs.get("non_blocking"))
    result = func(*args, **kwargs)
    keeps = func in (Tensor.copy_, Tensor.grad.__set__, Tensor.data.__set__)
    if not keeps and (_is_cuda(asked) if asked is not None else any(there)):
        mark(result)
    return result


def _check(func, name, args, given, there) -> None:
    """Count a synchronisation; raise where CUDA would for tensors on two devices."""
    if func in _SYNCHRONISING:
        counts[f"sync: {name}"] += 1
    strange = [tensor for tensor, here in zip(given, there, strict=True) if not here and tensor.dim()]
    if name in ("__getitem__", "__setitem__", "index_put", "index_put_"):
        index, values = _tensors(args[1]), _tensors(args[2:])
        if on_device(args[0]):
            counts["sync: bool index"] += sum(one.dtype in (torch.bool, torch.uint8) for one in index)
            strange = [one for one in values if not on_device(one) and one.dim() and name.startswith("index_put")]
        else:
            strange = [one for one in index if on_device(one)]
    if strange and name not in _MIXING and func not in (Tensor.data.__set__, Tensor.grad.__set__):
        raise RuntimeError(f"Expected all tensors to be on the same device, but {name} found cuda:0 and cpu")


def _count(tensor: Tensor, *, to_device: bool, waits: bool) -> None:
    counts["bytes to device" if to_device else "bytes to host"] += tensor.numel() * tensor.element_size()
    if to_device:  # from memory that may move the copy is made at once
        waits |= not getattr(tensor.untyped_storage(), "pinned", False)
    counts[f"{'sync: ' * waits}copy to {'device' if to_device else 'host'}"] += 1


def _move(func, tensor, rest, kwargs):
    there, waits = on_device(tensor), not kwargs.get("non_blocking")
    target = {Tensor.cpu: False, Tensor.cuda: True}.get(func)
    if func == Tensor.to:
        device = kwargs.pop("device", None)
        if rest and isinstance(rest[0], Tensor):
            device, rest[0] = "cuda" if on_device(rest[0]) else "cpu", rest[0].dtype
        elif rest and isinstance(rest[0], str | torch.device | int):
            device = rest.pop(0)
        rest = [one for one in rest if one is not None and not isinstance(one, bool)]
        target = there if device is None else _is_cuda(device)
        kwargs = {name: one for name, one in kwargs.items() if name != "non_blocking" and one is not None}
        result = Tensor.to(tensor, *rest, **kwargs) if rest or kwargs else tensor
    else:
        result = tensor
    if target != there:
        _count(tensor, to_device=bool(target), waits=waits)
        if result.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr() or on_device(result):
            result = result.clone()
    return mark(result) if target else result


class _Stream(contextlib.nullcontext):
    def __init__(self, *arguments: Any, **options: Any) -> None: ...
    def wait_stream(self, stream: Any) -> None: ...
    def synchronize(self) -> None:
        counts["sync: stream"] += 1


class _Event(_Stream):
    def record(self, stream: Any = None) -> None: ...

    def synchronize(self) -> None:
        counts["sync: event"] += 1
        order.append("wait")

    def elapsed_time(self, end: Any) -> float:
        return 1.0


class _Graph:
    def again(self) -> None: ...
    def replay(self) -> None:
        counts["graph replays"] += 1
        order.append("launch")
        self.again()


class _Generator(torch.Generator):
    def __new__(cls, device: Any = None) -> Any:
        return super().__new__(cls)


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None) -> None:
        kind = "cpu" if device_type == "cuda" else device_type
        super().__init__(kind, dtype=dtype or torch.bfloat16, enabled=enabled, cache_enabled=cache_enabled)


def install() -> None:
    cuda, enabled = torch.cuda, torch.is_autocast_enabled
    answers = {
        "is_available": True, "device_count": 1, "current_device": 0, "get_device_name": "a pretended GPU",
        "get_device_capability": (9, 0), "_lazy_init": None, "set_device": None, "empty_cache": None,
        "manual_seed_all": None, "synchronize": None, "current_stream": _Stream(), "stream": contextlib.nullcontext(),
        "graph": contextlib.nullcontext(), "device": contextlib.nullcontext(),
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(cuda, name, lambda *arguments, answer=answer, **options: answer)
    cuda.Stream, cuda.Event, cuda.CUDAGraph = _Stream, _Event, _Graph
    torch.autocast, torch.Generator = _Autocast, _Generator
    torch.is_autocast_enabled = lambda kind=None: enabled("cpu" if kind in ("cuda", None) else kind)
    apply, run = torch.autograd.Function.apply.__func__, threading.Thread.run

    def applied(cls, *arguments, **options):  # modes do not see it
        result = apply(cls, *arguments, **options)
        return mark(result) if any(map(on_device, _tensors((arguments, options)))) else result

    def run_pretending(self) -> None:  # modes are of one thread
        with Pretended():
            run(self)

    torch.autograd.Function.apply, threading.Thread.run = classmethod(applied), run_pretending
    Pretended().__enter__()
    from agent.networks.residual import evaluator

    def record(self, size: int) -> Any:
        """Of a graph evaluator: what is run again writes to the tensors of the first time, as a graph does."""
        sent = _Event()
        sent.synchronize = lambda: None  # what was sent first has long arrived
        staged = torch.zeros(size, evaluator.WORDS, dtype=torch.int64)
        positions, graph = staged.to(self.device), _Graph()
        results = tuple(one.clone() for one in self._compute(positions))

        def again() -> None:
            for kept, one in zip(results, self._compute(positions), strict=True):
                kept.copy_(one)

        graph.again = again
        return evaluator._Graph(graph, staged, positions, *results, sent)

    evaluator.GraphEvaluator._record = record


install()
