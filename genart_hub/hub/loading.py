"""Strict loading: the same class, known arguments, every tensor of its shape, and nothing that is not a number."""

import inspect
import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode

from genart_hub import __version__
from genart_hub.devices import pick_device
from genart_hub.errors import GenartError, choice, first_line, shorten
from genart_hub.files import read_header
from genart_hub.hub.locate import MAX_BYTES, Source, read_config
from genart_hub.hub.names import CONFIG, WEIGHTS

T = TypeVar("T")

# A mapped file's tensors lie at odd addresses, where some kernels round otherwise: up to this size they are copied into aligned
# memory, so that a loaded model gives the bits of the saved one; a larger one stays mapped, which is several times faster.
ALIGNED_BYTES = 64_000_000


# ---- saving ----


def signature_of(cls: Any) -> inspect.Signature:
    """The constructor's, the module itself among its parameters."""
    return inspect.signature(cls.__init__)


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Those of the constructor, without the module itself."""
    return dict(list(signature_of(cls).parameters.items())[1:])


def aliases_of(model: nn.Module) -> dict[str, str]:
    """A tied tensor's later names -> its first name."""
    first: dict[int, str] = {}
    aliases = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if first.setdefault(id(tensor), key) != key:
            aliases[key] = first[id(tensor)]
    return aliases


# ---- loading ----


def load_folder(
    cls: type[T], source: Source, *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None, max_bytes: int = MAX_BYTES
) -> T:
    """An instance of `cls` with the weights of `source`, strictly: the same class, known arguments, every tensor of its shape."""
    file, weights = source.folder / CONFIG, source.file or source.folder / WEIGHTS
    arguments = _arguments(cls, read_config(source.folder), file)
    dtype = torch.float32 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        names = "torch.float32, torch.float16, torch.bfloat16, torch.float64"
        raise GenartError("not_choice", where=cls.__name__, name="dtype", choices=names, value=shorten(dtype))
    device = pick_device(device)
    model = _on_meta(cls, arguments, file)
    state = model.state_dict()
    size = sum(tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize) for tensor in state.values())
    if size > max_bytes:
        raise GenartError("too_many_bytes", name=str(source.name), size=size, limit=max_bytes)
    if _has_unsaved_tensors(model, state):  # they are computed by the constructor: run it for real, without the random fills
        with _NoInitialisation(), torch.random.fork_rng(devices=[]):
            model = _constructed(cls, arguments, file)
    aliases = aliases_of(model)
    expected = {key: tensor for key, tensor in state.items() if key not in aliases}
    tensors = _read_tensors(weights, cls.__name__, expected, device, dtype)
    if bad := [key for key, tensor in tensors.items() if not is_finite(tensor)]:
        _check_masks(weights, bad, dict(model.named_buffers()), tensors, lambda: _constructed(cls, arguments, file))
    model.load_state_dict(tensors | {alias: tensors[key] for alias, key in aliases.items()}, assign=True)
    for alias, key in aliases.items():
        parent, _, leaf = alias.rpartition(".")
        setattr(model.get_submodule(parent), leaf, _get(model, key))
    if cls.extra_files:  # type: ignore[attr-defined]  # it is a HubModel
        model.read_files({name: _beside(source, name) for name in cls.extra_files})  # type: ignore[attr-defined]
    model.source, model = source, model.to(device).eval()
    if weights.stat().st_size <= ALIGNED_BYTES:
        source.sha256  # noqa: B018 - hashed now, while the file is surely the one that was read
    source.remember(model)
    return model


def _beside(source: Source, name: str) -> Path:
    """A file that a model does not load without."""
    if (file := source.companion(name)) is None:
        raise GenartError("no_file_beside", folder=str(source.folder), file=name)
    return file


def blank(cls: type[T], folder: Path) -> T:
    """The model of a folder without its weights, on torch's meta device: what it is and what it takes, and no pictures."""
    return _on_meta(cls, _arguments(cls, read_config(folder), folder / CONFIG), folder / CONFIG)


def _on_meta(cls: type, arguments: "_Call", file: Path) -> Any:
    with torch.device("meta"), _NoInitialisation():  # whose random fills would import torch's compiler
        return _constructed(cls, arguments, file)


def from_state_dict(class_name: str, models: dict[str, type[T]], file: str | os.PathLike, arguments: dict[str, Any]) -> T:
    """A model of `models` from a plain state dict in a .safetensors file and the constructor's arguments, as strictly as a folder."""
    cls, file = models[choice("from_state_dict", "class", class_name, models)], Path(file)
    if not file.is_file():
        raise GenartError("no_weights", folder=str(file.parent), file=file.name)
    with tempfile.TemporaryDirectory(prefix="genart-hub-") as folder:
        config = {"_class_name": class_name, "genart_hub_version": __version__, **arguments}
        Path(folder, CONFIG).write_text(json.dumps(config), encoding="utf-8")
        model: Any = load_folder(cls, Source(file.stem, Path(folder), None, file))
    model.source = None
    return model


def _get(model: nn.Module, key: str) -> Tensor:
    parent, _, leaf = key.rpartition(".")
    return getattr(model.get_submodule(parent), leaf)


@dataclass(frozen=True)
class _Call:
    """How a constructor is called."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _constructed(cls: type, arguments: _Call, file: Path) -> Any:
    """A module as the config in `file` has it; what its constructor raises is told as a refusal."""
    refusals = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError, MemoryError)
    try:
        return cls(*arguments.args, **arguments.kwargs)
    except refusals as error:
        reason = error if isinstance(error, GenartError) else first_line(error) + "."
        raise GenartError("config_refused", file=str(file), name=cls.__name__, reason=reason) from error


def _arguments(cls: type, config: dict, file: Path) -> _Call:
    name = cls.__name__
    if config["_class_name"] != name:
        raise GenartError("wrong_class", folder=str(file.parent), found=shorten(config["_class_name"]).strip("'"), wanted=name)
    arguments = {key: value for key, value in config.items() if key not in ("_class_name", "genart_hub_version")}
    parameters = _parameters(cls)
    kinds = inspect.Parameter
    rest = next((p.name for p in parameters.values() if p.kind is kinds.VAR_KEYWORD), None)
    known = [p.name for p in parameters.values() if p.kind is not kinds.VAR_KEYWORD]
    unknown = sorted(set(arguments) - set(known))
    itself = next(iter(signature_of(cls).parameters))
    if unknown and (rest is None or itself in unknown):
        keys, written = shorten(", ".join(unknown)).strip("'"), str(config.get("genart_hub_version"))
        if _version(written) > _version(__version__):
            raise GenartError("newer_version", file=str(file), written=shorten(written).strip("'"), installed=__version__, keys=keys)
        raise GenartError("unknown_keys", file=str(file), name=name, keys=keys, known=", ".join(known) or "none")
    for key, value in arguments.items():  # JSON has no tuples
        if isinstance(value, list) and key in known and isinstance(parameters[key].default, tuple):
            arguments[key] = tuple(value)
    positional: list[Any] = []
    by_place = any(p.kind is kinds.VAR_POSITIONAL and arguments.get(p.name) for p in parameters.values())
    for p in parameters.values():
        if p.kind is kinds.VAR_POSITIONAL:
            several = arguments.pop(p.name, ())
            if not isinstance(several, list | tuple):
                reason = GenartError("reason_field", field=p.name, value=shorten(several))
                raise GenartError("config_refused", file=str(file), name=name, reason=reason)
            positional += several
        elif p.kind is kinds.POSITIONAL_ONLY or (p.kind is kinds.POSITIONAL_OR_KEYWORD and by_place):
            if p.name not in arguments and p.default is kinds.empty:
                break  # the constructor says what is missing
            positional.append(arguments.pop(p.name, p.default))
    return _Call(tuple(positional), arguments)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text.split("+")[0])[:3])


def _has_unsaved_tensors(model: nn.Module, state: dict[str, Tensor]) -> bool:
    buffers = any(key not in state for key, _ in model.named_buffers())
    return buffers or any(isinstance(value, Tensor) for module in model.modules() for value in vars(module).values())


class _NoInitialisation(TorchFunctionMode):
    """Constructors run, but nothing is drawn into a parameter that the file's tensor replaces."""

    FILLS = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.zero_, Tensor.fill_, init.uniform_, init.normal_, init.kaiming_uniform_})

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func in self.FILLS and isinstance(tensor := args[0] if args else (kwargs or {})["tensor"], nn.Parameter):
            return tensor
        return func(*args, **(kwargs or {}))


def _read_tensors(file: Path, name: str, expected: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt", device="cpu") as saved:
            read_header(file)
            slices = {key: saved.get_slice(key) for key in saved.keys()}
            problems = mismatches(expected, {key: (tuple(one.get_shape()), one.get_dtype()) for key, one in slices.items()})
            if problems:
                raise GenartError("weights_mismatch", file=str(file), name=name, problems=summed_up(problems))
            small = file.stat().st_size <= ALIGNED_BYTES
            tensors = {key: saved.get_tensor(key).clone() if small else saved.get_tensor(key) for key in expected}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        if isinstance(error, GenartError) and not error.code.startswith("reason_"):
            raise
        raise GenartError("weights_unreadable", file=str(file), reason=_why_unreadable(file, error)) from error
    return {key: tensor.to(device, dtype if tensor.is_floating_point() else None) for key, tensor in tensors.items()}


def _check_masks(file: Path, bad: list[str], buffers: dict[str, Tensor], tensors: dict[str, Tensor], make: Callable[[], nn.Module]) -> None:
    """Refuse NaN and infinity, but for a buffer that has them in the same places as the constructor makes it: an attention mask."""
    if all(key in buffers for key in bad):
        with _NoInitialisation(), torch.random.fork_rng(devices=[]):
            made = dict(make().named_buffers())
        bad = [key for key in bad if not torch.equal(_holes(made[key]), _holes(tensors[key].cpu()))]
    if bad:
        raise GenartError("weights_not_finite", file=str(file), tensor=shorten(bad[0]).strip("'"))


def _holes(tensor: Tensor) -> Tensor:
    """1 and -1 for the infinities, 2 for NaN, 0 for any number."""
    return torch.where(tensor.isnan(), 2.0, torch.where(tensor.isinf(), tensor.sign(), 0.0))


def is_finite(tensor: Tensor) -> bool:
    """Whether no number of a tensor is NaN or infinite. It takes no memory of the tensor's size."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    if tensor.dtype.itemsize == 1:  # of which torch knows no extremes
        tensor = tensor.float()
    low, high = torch.aminmax(tensor.detach())
    return bool(low.isfinite() & high.isfinite())


def mismatches(expected: dict[str, Tensor], found: dict[str, tuple[tuple[int, ...], str]]) -> list[str]:
    """What keeps a file's tensors from being the expected ones. found: the shape of each, and its kind as safetensors names it."""
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key} is not of the model" for key in found if key not in expected]
    for key in expected.keys() & found.keys():
        shape, kind = found[key]
        wanted, floating = tuple(expected[key].shape), expected[key].is_floating_point()
        if shape != wanted:
            problems.append(f"{key} has shape {shape} where {wanted} belongs")
        elif kind.startswith(("F", "BF")) != floating:
            problems.append(f"{key} is {kind} where {'floating point' if floating else 'whole numbers'} belongs")
    return problems


def summed_up(problems: list[str]) -> str:
    """The first three problems, and how many more there are."""
    return "; ".join(problems[:3]) + (f", and {len(problems) - 3} more" if len(problems) > 3 else "")


def _why_unreadable(file: Path, error: Exception) -> GenartError | str:
    if isinstance(error, GenartError):
        return error
    try:
        with open(file, "rb") as opened:
            start = opened.read(4)
    except OSError:
        return first_line(error)
    if not start:
        return GenartError("reason_empty")
    if start[:1] == b"\x80" or start[:2] == b"PK":
        return GenartError("reason_pickle")
    if start[:4] == b"vers":
        return GenartError("reason_pointer")
    return first_line(error)
