"""The development path of AI image making: GAN, VAE and diffusion behind one API, loaded in one line."""

__version__ = "0.3.0"

# Where each name lives. It is imported when it is first asked for, so that importing the package costs nothing; editors read __init__.pyi.
_LAZY = {
    "FAMILIES": "genart_hub.models.auto",
    "MODELS": "genart_hub.models",
    "bundled": "genart_hub.models.auto",
    "from_pretrained": "genart_hub.models.auto",
    "list_models": "genart_hub.models.auto",
    "register": "genart_hub.models.auto",
    "search": "genart_hub.models.auto",
}
_MODULES = {name: name for name in ("data", "errors", "evaluate", "hub", "images", "latents", "losses", "metrics", "models", "train", "ui")}
_MODULES["stable_diffusion"] = "models.stable_diffusion"
__all__ = ["MODELS", "__version__", "bundled", "from_pretrained", "list_models", "register", "search"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _MODULES:
        return import_module(f"genart_hub.{_MODULES[name]}")
    raise AttributeError(f"module 'genart_hub' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY, *_MODULES])
