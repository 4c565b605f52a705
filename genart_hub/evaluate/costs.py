"""What one picture costs: multiply-adds and memory, counted as the model works. Nothing is estimated from its layers' sizes."""

import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from genart_hub.hub.described import device_of, modules_of

_ATTENTION_ON_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # PyTorch counts the kernels of a GPU alone
_remembered: weakref.WeakKeyDictionary[Any, "Costs"] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Costs:
    """multiply_adds: of one picture. peak_memory: in bytes, while it is made."""

    multiply_adds: int
    peak_memory: int


def costs(model: Any, **request: Any) -> Costs:
    """What one picture of `model` costs, counted at the first call and remembered with the model. request: what `sample` needs."""
    if model not in _remembered:
        counted = []
        peak = peak_memory(model, lambda: counted.append(multiply_adds(model, **request)))  # a pipeline's further steps take no more
        _remembered[model] = Costs(counted[0], peak)
    return _remembered[model]


def multiply_adds(model: Any, **request: Any) -> int:
    """The multiply-adds of `model.sample(1, **request)`: half of the floating-point operations of its matrix products, convolutions
    and attention; additions, norms and activations are left out, as is usual.

    Of a model that takes steps, all of them and both halves of guidance. Every step is the same work, so two short runs give that of a
    long one.
    """
    takes_steps = "num_steps" in getattr(model, "inputs", ())  # anything with a `sample` is counted
    num_steps = request.get("num_steps") or model.defaults.get("num_steps", 0) if takes_steps else 0
    if num_steps <= 3:
        return _counted(model, request)
    two, three = (_counted(model, request | {"num_steps": steps}) for steps in (2, 3))
    return two + (num_steps - 2) * (three - two)


def peak_memory(model: Any, call: Callable[[], Any]) -> int:
    """The bytes of the model's weights, and the most that the tensors made during `call()` held at one time.

    On the CPU the tensors' storages are followed; a kernel's own scratch space is not seen. On a GPU its allocator is asked.
    """
    tensors = list(_tensors(model))
    held = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}
    if tensors and tensors[0].device.type == "cuda":
        device = tensors[0].device
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return sum(held.values()) + torch.cuda.max_memory_allocated(device) - before
    with _LiveStorages(set(held)) as live:
        call()
    return sum(held.values()) + live.most


def seconds_of(model: Any, n: int, times: int, seed: int = 0, **request: Any) -> list[float]:
    """The seconds that a picture takes in a batch of n, `times` times, after one batch that is not counted."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        model.sample(n, seed, **request).cpu()
        taken.append((time.perf_counter() - start) / n)
    return taken[1:]


def machine_of(model: Any) -> str:
    """Where a model runs, as far as seconds depend on it and can be told."""
    threads = torch.get_num_threads()
    return f"{device_of(model).type}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__.split('+')[0]}"


class _LiveStorages(TorchDispatchMode):
    """Follows the storages that operators make, from their birth to their end. known: those that were there before, by address."""

    def __init__(self, known: set[int]):
        super().__init__()
        self.known, self.now, self.most = known, 0, 0
        self._alive: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.layout is torch.strided:
                self._follow(tensor.untyped_storage())
        return made

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self.known or address in self._alive:
            return
        self._alive.add(address)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self._alive.discard(address)
        self.now -= size


def _counted(model: Any, request: dict[str, Any]) -> int:
    attention = {_ATTENTION_ON_CPU: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)}
    with FlopCounterMode(display=False, custom_mapping=attention) as counter:
        model.sample(1, **request)
    return counter.get_total_flops() // 2


def _tensors(model: Any) -> Iterator[Tensor]:
    """The weights and buffers of a model, or of all networks of a pipeline."""
    for part in modules_of(model):
        yield from part.parameters()
        yield from part.buffers()
