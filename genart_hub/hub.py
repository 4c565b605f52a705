"""Saving and strict loading: config.json and model.safetensors, in a folder or on the Hub. No pickle, nothing silently wrong."""

import hashlib
import inspect
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from genart_hub import __version__, cards
from genart_hub.errors import GenartError, choice, first_line, shorten, whole
from genart_hub.files import parse_json, read_header, replacing, save_tensors, sha256_of, sweep
from genart_hub.remote import (
    CONFIG,
    CONFIG_LIMIT,
    PIPELINE,
    WEIGHTS,
    Repository,
    check_publishing,
    check_repo_id,
    check_revision,
    check_subfolder,
    check_token,
    check_variant,
    publish,
)

MAX_BYTES = 1_000_000_000
COMPANION_LIMIT = 4_000_000
# A mapped file's tensors lie at odd addresses, where some kernels round otherwise: up to this size they are copied into aligned
# memory, so that a loaded model gives the bits of the saved one; a larger one stays mapped, which is several times faster.
ALIGNED_BYTES = 64_000_000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
DEVICES = ("auto", "cpu", "cuda", "mps")
NAME_LIMIT = 250
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_PACKAGE = Path(__file__).resolve().parent
WEIGHTS_FOLDERS = (_PACKAGE / "weights", _PACKAGE.parent / "weights")  # inside a wheel; beside the package in a checkout


@dataclass
class Source:
    """Where a model's weights come from: what a recipe says of them, never a path. files: those of a pipeline, instead of `file`."""

    name: str
    folder: Path
    revision: str | None = None
    file: Path | None = None
    repository: Repository | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self):
        self._sha256: str | None = None
        self._state: Any = None

    @property
    def sha256(self) -> str | None:
        """The weight file's hash, read once: at loading for a small file, else when asked for (1 GB takes about a second).

        A pipeline's is the hash of its weight files' sorted names and hashes, a line each, as `sha256sum` writes them.
        """
        if self._sha256 is None and self.file is not None and self.file.is_file():
            self._sha256 = sha256_of(self.file)
        elif self._sha256 is None and self.files and all(file.is_file() for file in self.files):
            names = sorted((file.relative_to(self.folder).as_posix(), file) for file in self.files)
            lines = "".join(f"{sha256_of(file)}  {name}\n" for name, file in names)
            self._sha256 = hashlib.sha256(lines.encode()).hexdigest()
        return self._sha256

    def remember(self, model: Any) -> None:
        """Take the weights of a module or a pipeline for those of the file, until something of it changes."""
        self._state = _state_of(model)

    def is_current(self, model: Any) -> bool:
        """Whether a module, or each component of a pipeline with its settings, is as it was loaded."""
        return self._state == _state_of(model)

    def companion(self, name: str) -> Path | None:
        """A file beside the weights, such as the card, where there is one."""
        if self.repository is not None:
            try:
                return self.repository.download(name, COMPANION_LIMIT)
            except GenartError as error:
                if error.code == "damaged_file":
                    raise
                return None
        return self.folder / name if (self.folder / name).is_file() else None

    def holds(self, tensors: dict[str, Tensor]) -> bool:
        """Whether these are still the weights that were loaded from here."""
        if self.file is None or not self.file.is_file():
            return False
        loaded = load_file(self.file)
        return loaded.keys() == tensors.keys() and all(torch.equal(loaded[key].to(tensors[key]), tensors[key]) for key in loaded)


SPOTS = 16


def _state_of(model: Any) -> Any:
    """What tells a model from the same with other weights or, of a pipeline, with another component: names, versions, a few numbers.

    A version counts the changes in place. What passes by it (`weight.data = …`, as melting in a LoRA does) shows in the numbers.
    """
    if not isinstance(model, nn.Module):
        return {name: _component(part) for name, part in model.components.items()}
    state = {name: tensor.detach() for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    about = [(name, tensor.shape, tensor.dtype, 0 if tensor.is_inference() else tensor._version) for name, tensor in state.items()]
    spots = [tensor.reshape(-1)[:: max(1, tensor.numel() // SPOTS)] for tensor in state.values() if not tensor.is_meta]
    by_kind: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for spot in spots:
        by_kind.setdefault((spot.device, spot.dtype), []).append(spot)
    numbers = [number for several in by_kind.values() for number in torch.cat(several).cpu().double().nan_to_num().tolist()]
    return about, numbers


def _component(part: Any) -> Any:
    """The same of a pipeline's component: a network with its config, a scheduler with its own, a tokenizer with its words."""
    part = getattr(part, "_orig_mod", part)  # what torch.compile wraps
    config = getattr(part, "config", None)
    config = {key: repr(value) for key, value in config.items()} if isinstance(config, Mapping) else None
    if isinstance(part, nn.Module):
        # FreeU's factors are attributes of the blocks
        factors = [[getattr(module, name, None) for name in ("s1", "s2", "b1", "b2")] for module in getattr(part, "up_blocks", ())]
        return type(part), config, factors, _state_of(part)
    return type(part), config, len(part) if hasattr(part, "__len__") else None


class HubModel:
    """What a module needs to be saved, published and loaded: `class MyGAN(nn.Module, HubModel)`.

    The constructor's arguments are the config, so they must be JSON values. Those of **kwargs stand among the others, those of *args in
    a list under its name. When a model is loaded, its constructor runs on torch's meta device: it may build layers and buffers, but not
    read the values of a tensor (`.item()`, `.tolist()`).
    """

    config: dict[str, Any]
    source: Source | None = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not issubclass(cls, nn.Module):
            raise TypeError(f"{cls.__name__} must be a module too: class {cls.__name__}(nn.Module, HubModel).")

    def __new__(cls, /, *args, **kwargs):
        model = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(model, *args, **kwargs)
        bound.apply_defaults()
        model.__dict__["_arguments"] = dict(list(bound.arguments.items())[1:])
        model.__dict__["config"] = model._arguments  # a class may use the name for something of its own
        return model

    def save_pretrained(self, folder: str | os.PathLike, *, dtype: torch.dtype | None = None) -> Path:
        """Write config.json and model.safetensors into `folder`, each beside its place and then moved. Returns the folder.

        dtype: of the file's numbers; torch.float16 halves it, and from_pretrained gives float32 again.
        """
        folder = Path(folder)
        config = json.dumps(json_config(self), indent=2) + "\n"
        if len(config) > CONFIG_LIMIT:  # it could not be read again
            raise GenartError("config_too_large", file=str(folder / CONFIG), size=len(config), limit=CONFIG_LIMIT)
        tensors = _tensors_to_save(self)
        if dtype is not None:
            tensors = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
        metadata = {"format": "pt", "genart_hub_version": __version__}
        sweep(folder)
        save_tensors(tensors, folder / WEIGHTS, metadata)
        with replacing(folder / CONFIG) as file:
            file.write_text(config, encoding="utf-8")
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        dataset: str | None = None,
        overwrite_card: bool = False,
    ) -> str:
        """Publish as "owner/name": config.json, model.safetensors and a card, in one commit. Returns the commit's address.

        license: such as "apache-2.0"; the model's own card may have it. private: None leaves an existing repository as it is.
        revision: the branch, made where there is none. dataset: one that the package can attribute (see cards.DATASETS).
        A card that somebody edited on the Hub keeps its text unless overwrite_card.
        """
        check_repo_id(repo_id)
        check_publishing(private, revision, commit_message)
        check_token(token)
        with tempfile.TemporaryDirectory(prefix="genart-hub-") as folder:
            self.save_pretrained(folder)
            if self.source:
                measured = self.source.holds(_tensors_to_save(self))  # else its figures are of other weights
                for name in (cards.CARD, cards.TRAINING, cards.EVALUATION, cards.NEAREST) if measured else (cards.CARD,):
                    if file := self.source.companion(name):
                        shutil.copy(file, Path(folder, name))
            with torch.no_grad():
                cards.write_card(folder, self, repo_id, license, dataset)
            options = {"private": private, "token": token, "revision": revision, "commit_message": commit_message}
            return publish(Path(folder), repo_id, overwrite_card=overwrite_card, **options)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike,
        *,
        revision: str | None = None,
        subfolder: str | None = None,
        variant: str | None = None,
        token: str | bool | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
        local_files_only: bool = False,
        cache_dir: str | os.PathLike | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Self:
        """Load this class from a bundled name, a folder or a Hub id "owner/name[@revision]", in eval mode.

        token: None for the stored one, False for none. dtype: float32 unless given, whatever is on disk. max_bytes: the most that the
        weights may take, on disk and in memory.
        Raises GenartError, with the cure, for anything that does not fit exactly.
        """
        source = locate(
            name, revision=revision, subfolder=subfolder, token=token, local_files_only=local_files_only, cache_dir=cache_dir
        ).fetch(variant, max_bytes)
        return load_folder(cls, source, device=device, dtype=dtype, max_bytes=max_bytes)


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`: auto, cpu, cuda or mps; None reads GENART_DEVICE and else is the CPU."""
    if isinstance(name, torch.device):
        return name
    name = name or os.environ.get("GENART_DEVICE") or "cpu"
    available = [d for d in DEVICES[1:] if d == "cpu" or (torch.cuda if d == "cuda" else torch.backends.mps).is_available()]
    if name == "auto":
        return torch.device(next((d for d in ("cuda", "mps") if d in available), "cpu"))
    if str(name).split(":")[0] not in available:
        raise GenartError("bad_device", device=shorten(name), available=", ".join(["auto", *available]))
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise GenartError("bad_device", device=shorten(name), available=", ".join(["auto", *available])) from error


# ---- saving ----


def json_config(model: HubModel) -> dict[str, Any]:
    """What config.json says of `model`: its class, the package's version, and the constructor's arguments."""
    name = type(model).__name__
    for argument, value in model._arguments.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == _as_lists(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise GenartError("config_not_json", name=name, argument=argument) from error
        if not same:  # the keys of an object that are no texts
            raise GenartError("config_not_json", name=name, argument=argument)
    config, parameters = {"_class_name": name, "genart_hub_version": __version__}, _parameters(type(model))
    for argument, value in model._arguments.items():
        others = parameters[argument].kind is inspect.Parameter.VAR_KEYWORD
        for key, one in value.items() if others else [(argument, value)]:
            if key in config or (others and key in parameters and parameters[key].kind is not inspect.Parameter.VAR_KEYWORD):
                raise GenartError("config_clash", name=name, argument=shorten(key).strip("'"))
            config[key] = one
    return config


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Those of the constructor, without the module itself."""
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _as_lists(value: Any) -> Any:
    """A value as JSON gives it back: its tuples are lists."""
    if isinstance(value, list | tuple):
        return [_as_lists(one) for one in value]
    return {key: _as_lists(one) for key, one in value.items()} if isinstance(value, dict) else value


def _tensors_to_save(model: nn.Module) -> dict[str, Tensor]:
    """The state, with a tied weight under its first name only and nothing that shares memory."""
    aliases = aliases_of(model)
    tensors, storages = {}, set()
    for key, tensor in model.state_dict().items():
        if key in aliases:
            continue
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        tensors[key] = tensor.clone() if storage in storages else tensor
        storages.add(storage)
    return tensors


def aliases_of(model: nn.Module) -> dict[str, str]:
    """A tied tensor's later names -> its first name."""
    first: dict[int, str] = {}
    aliases = {}
    for key, tensor in model.state_dict(keep_vars=True).items():
        if first.setdefault(id(tensor), key) != key:
            aliases[key] = first[id(tensor)]
    return aliases


# ---- loading ----


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model's folder: a JSON object that names its class."""
    file = folder / CONFIG
    if not file.is_file():
        raise GenartError("no_config", folder=str(folder))
    if (size := file.stat().st_size) > CONFIG_LIMIT:
        raise GenartError("config_too_large", file=str(file), size=size, limit=CONFIG_LIMIT)
    try:
        config = parse_json(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise GenartError("bad_config", file=str(file), reason=error if isinstance(error, GenartError) else first_line(error)) from error
    if not isinstance(config, dict):
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_type", type=type(config).__name__))
    if not isinstance(config.get("_class_name"), str):
        raise GenartError("config_no_class", file=str(file))
    return config


def load_folder(
    cls: type, source: Source, *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None, max_bytes: int = MAX_BYTES
):
    """An instance of `cls` with the weights of `source`, strictly: the same class, known arguments, every tensor of its shape."""
    file = source.folder / CONFIG
    config = read_config(source.folder)
    arguments = _arguments(cls, config, file)
    dtype = torch.float32 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        names = "torch.float32, torch.float16, torch.bfloat16, torch.float64"
        raise GenartError("not_choice", where=cls.__name__, name="dtype", choices=names, value=shorten(dtype))
    device = pick_device(device)
    with torch.device("meta"):
        model = _constructed(cls, arguments, file)
    state = model.state_dict()
    size = sum(tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.itemsize) for tensor in state.values())
    if size > max_bytes:
        raise GenartError("too_many_bytes", name=str(source.name), size=size, limit=max_bytes)
    if _has_unsaved_tensors(model, state):  # they are computed by the constructor: run it for real, without the random fills
        with _NoInitialisation(), torch.random.fork_rng(devices=[]):
            model = _constructed(cls, arguments, file)
    aliases = aliases_of(model)
    expected = {key: tensor for key, tensor in state.items() if key not in aliases}
    tensors = _read_tensors(source.file, cls.__name__, expected, device, dtype)
    if bad := [key for key, tensor in tensors.items() if not is_finite(tensor)]:
        _check_masks(source.file, bad, dict(model.named_buffers()), tensors, lambda: _constructed(cls, arguments, file))
    model.load_state_dict(tensors | {alias: tensors[key] for alias, key in aliases.items()}, assign=True)
    for alias, key in aliases.items():
        parent, _, leaf = alias.rpartition(".")
        setattr(model.get_submodule(parent), leaf, _get(model, key))
    model.source, model = source, model.to(device).eval()
    if source.file.stat().st_size <= ALIGNED_BYTES:
        source.sha256  # noqa: B018 - hashed now, while the file is surely the one that was read
    source.remember(model)
    return model


def from_state_dict(class_name: str, models: dict[str, type], file: str | os.PathLike, arguments: dict[str, Any]) -> HubModel:
    """A model of `models` from a plain state dict in a .safetensors file and the constructor's arguments, as strictly as a folder."""
    cls, file = models[choice("from_state_dict", "class", class_name, models)], Path(file)
    if not file.is_file():
        raise GenartError("no_weights", folder=str(file.parent), file=file.name)
    with tempfile.TemporaryDirectory(prefix="genart-hub-") as folder:
        config = {"_class_name": class_name, "genart_hub_version": __version__, **arguments}
        Path(folder, CONFIG).write_text(json.dumps(config), encoding="utf-8")
        model = load_folder(cls, Source(file.stem, Path(folder), None, file))
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


def _constructed(cls: type, arguments: _Call, file: Path) -> nn.Module:
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
    itself = next(iter(inspect.signature(cls.__init__).parameters))
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

    FILLS = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.zero_, Tensor.fill_})

    def __torch_function__(self, func: Callable, types, args=(), kwargs=None):
        if func in self.FILLS and isinstance(args[0], nn.Parameter):
            return args[0]
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


# ---- finding ----


def bundled_folder(name: str) -> Path | None:
    """The folder of the bundled model called `name`, or None."""
    if not re.fullmatch(r"[\w.-]{1,100}", name) or name.startswith("."):
        return None
    folders = (weights / name for weights in WEIGHTS_FOLDERS)
    return next((f for f in folders if (f / CONFIG).is_file() or (f / PIPELINE).is_file()), None)


def bundled_names() -> list[str]:
    """The names of all bundled models, sorted."""
    folders = (folder for weights in WEIGHTS_FOLDERS if weights.is_dir() for folder in weights.iterdir())
    return sorted({folder.name for folder in folders if (folder / CONFIG).is_file() or (folder / PIPELINE).is_file()})


def family_of(folder: Path, models: dict[str, type]) -> str | None:
    """The family of the model in `folder`, read from its config alone."""
    if not (folder / CONFIG).is_file():
        return "diffusion"
    return getattr(models.get(read_config(folder)["_class_name"]), "family", None)


@dataclass
class Location:
    """A model that was found: its folder, or the Hub repository that `fetch` downloads from."""

    name: str
    folder: Path
    repository: Repository | None = None

    @property
    def is_pipeline(self) -> bool:
        return (self.folder / PIPELINE).is_file() and not (self.folder / CONFIG).is_file()

    def fetch(self, variant: str | None = None, max_bytes: int = MAX_BYTES) -> Source:
        """Make sure of the weight file, downloading it where it is on the Hub. Returns where it lies."""
        max_bytes = whole(self.name, "max_bytes", max_bytes, 1)
        name = WEIGHTS if check_variant(variant) is None else f"model.{variant}.safetensors"
        if self.repository:
            try:
                file = self.repository.download(name, max_bytes)
            except GenartError as error:
                if error.code == "hub_no_file" and (pickles := [f for f in self.repository.files() if f.endswith(PICKLES)]):
                    raise GenartError("pickle_only", folder=self.name, file=shorten(pickles[0]).strip("'")) from error
                raise
            return Source(self.name, self.folder, self.repository.commit, file, self.repository)
        file = self.folder / name
        if not (self.folder / CONFIG).is_file():
            raise GenartError("no_config", folder=str(self.folder))
        if not file.is_file():
            pickles = sorted(p.name for p in self.folder.iterdir() if p.suffix in PICKLES)
            if pickles:
                raise GenartError("pickle_only", folder=str(self.folder), file=pickles[0])
            raise GenartError("no_weights", folder=str(self.folder), file=name)
        if (size := file.stat().st_size) > 2 * max_bytes + CONFIG_LIMIT:  # float64 on disk may be twice what float32 takes in memory
            raise GenartError("too_many_bytes", name=self.name, size=size, limit=max_bytes)
        return Source(self.name, self.folder, None, file)


def locate(
    name: str | os.PathLike,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    cache_dir: str | os.PathLike | None = None,
) -> Location:
    """Find a model: a bundled name; else a folder (written with a separator, or holding a config.json); else a Hub id."""
    text = os.fspath(name) if isinstance(name, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise GenartError("model_not_found", name=shorten(name), bundled=", ".join(bundled_names()))
    revision, subfolder, token = check_revision(revision), check_subfolder(subfolder), check_token(token)
    if isinstance(name, str) and (folder := bundled_folder(text)):
        return Location(text, folder / subfolder if subfolder else folder)
    folder = Path(os.path.expanduser(text))
    inside = folder / subfolder if subfolder else folder
    looks_like_path = not isinstance(name, str) or text.startswith((".", "/", "~", "\\")) or "\\" in text or text.endswith("/")
    try:
        if inside.is_dir():
            return Location(inside.resolve().name, inside)
    except (OSError, ValueError):  # a name that no file system takes
        looks_like_path = True
    if looks_like_path or not HUB_ID.fullmatch(text):
        raise GenartError("model_not_found", name=shorten(name), bundled=", ".join(bundled_names()))
    repo_id, _, at = text.partition("@")
    repository = Repository(repo_id, revision or at or None, subfolder, token, local_files_only, cache_dir)
    return Location(repo_id, repository.open(), repository)
