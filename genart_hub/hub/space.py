"""The app as a Hugging Face Space: exactly what it needs, uploaded in one commit."""

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import genart_hub
from genart_hub.errors import GenartError, choice, text
from genart_hub.hub.answers import hub_errors
from genart_hub.hub.cards import markdown
from genart_hub.hub.locate import bundled_folders
from genart_hub.hub.names import CONFIG, PIPELINE, WEIGHTS, check_repo_id, hub_api

if TYPE_CHECKING:
    from huggingface_hub import HfApi, SpaceHardware

PYTHON = "3.12"


APP = '''"""The app of genart_hub as a Space."""

from genart_hub import ui

if __name__ == "__main__":
    ui.launch()
'''


TEXT = """# genart_hub

How machines learned to paint: GAN, VAE and diffusion, each ladder trained on the same pictures, in one app, in Chinese and English.

机器如何学会绘画：在同一批图片上训练的 GAN、VAE 与扩散模型，汇于一个应用，提供中文与英文。
"""


@dataclass(frozen=True)
class Hardware:
    """What a kind of machine wants: lines of requirements.txt before the pins, the torch it supports, and what an account needs."""

    lines: tuple[str, ...]
    torch: str
    account: str


HARDWARE = {
    "zero-a10g": Hardware(
        ("spaces",),
        "2.11.0",
        "A free account older than 30 days, with a verified e-mail, may have two ZeroGPU Spaces. All models run on the Space's CPU and "
        "cost no visitor's quota, but for the big pipeline of the Comparison, which takes a GPU for each answer.",
    ),
    "cpu-basic": Hardware(
        ("--extra-index-url https://download.pytorch.org/whl/cpu",),
        "2.13.0",
        "A Gradio Space on cpu-basic needs a paid plan (PRO, Team or Enterprise); zero-a10g does not.",
    ),
}


DEFAULT = "zero-a10g"
TITLE, TITLE_LIMIT = "genart_hub", 100
PACKAGES = ("diffusers", "huggingface-hub", "pillow", "safetensors", "transformers")


def front_matter(models: list[str], title: str = TITLE, pipelines: list[str] | None = None) -> dict[str, Any]:
    """The block of README.md that configures a Space. pipelines: those of the models that are preloaded whole."""
    settings = {
        "title": title,
        "emoji": "🎨",
        "colorFrom": "indigo",
        "colorTo": "pink",
        "sdk": "gradio",
        "sdk_version": _version("gradio"),
        "python_version": PYTHON,
        "app_file": "app.py",
        "pinned": False,
        "license": "apache-2.0",
        "short_description": "How machines learned to paint, from GAN and VAE on",
        "startup_duration_timeout": "1h",
    }
    if models:
        names = {model: model.partition("@")[0] for model in models}
        preloaded = [names[model] if model in (pipelines or ()) else f"{names[model]} {CONFIG},{WEIGHTS}" for model in models]
        settings |= {"models": list(names.values()), "preload_from_hub": preloaded}
    return settings


def build(
    folder: Path, hardware: str = DEFAULT, models: list[str] | None = None, title: str | None = None, pipelines: list[str] | None = None
) -> list[Path]:
    """Write a Space's tree into `folder`. Returns its files, relative. title, pipelines: of `front_matter`."""
    for model in models or []:
        check_repo_id(model.partition("@")[0])
    title = text("deploy-space", "title", TITLE if title is None else title, TITLE_LIMIT) or TITLE
    kind = HARDWARE[choice("deploy-space", "hardware", hardware, HARDWARE)]
    package = Path(genart_hub.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", "README*.md", "weights")
    shutil.copytree(package, folder / "genart_hub", ignore=ignored)
    for name, weights in bundled_folders().items():
        shutil.copytree(weights, folder / "weights" / name, ignore=shutil.ignore_patterns(markdown.GOLDEN))
    pins = [f"{name}=={_version(name)}" for name in PACKAGES]
    lines = [*kind.lines, *pins, f"torch=={kind.torch}"]  # Gradio itself comes with sdk_version
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(markdown.join(front_matter(models or [], title, pipelines), TEXT), encoding="utf-8")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    return sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())


def deploy(
    repo_id: str,
    hardware: str = DEFAULT,
    models: list[str] | None = None,
    private: bool | None = None,
    token: str | None = None,
    title: str | None = None,
) -> str:
    """Create the Space, or update it, in one commit of the tree that `build` makes. Returns its address.

    models: Hub ids, which anybody must be able to load: a Space has no token of its own, and its visitors none.
    """
    check_repo_id(repo_id)
    pipelines = [model for model in models or [] if _is_public_pipeline(model)]
    api = hub_api(token)
    with tempfile.TemporaryDirectory(prefix="genart-hub-") as root, hub_errors(repo_id, publishing=True):
        folder = Path(root)
        build(folder, hardware, models, title, pipelines)
        asked = _asked(hardware)
        url = api.create_repo(repo_id, repo_type="space", space_sdk="gradio", space_hardware=asked, private=private, exist_ok=True)
        _refuse_other_space(api, repo_id)
        variables = {"GRADIO_ANALYTICS_ENABLED": "False", "GENART_DEVICE": "cpu", "GENART_MODELS": ",".join(models or [])}
        for key, value in variables.items():
            api.add_space_variable(repo_id, key, value)
        api.upload_folder(
            repo_id=repo_id,
            repo_type="space",
            folder_path=folder,
            delete_patterns=["*"],
            commit_message=f"Deploy genart_hub {genart_hub.__version__}",
        )
        if asked and api.get_space_runtime(repo_id).requested_hardware != asked:
            api.request_space_hardware(repo_id, asked)
    return str(url)


def _is_public_pipeline(name: str) -> bool:
    """Whether a model of the Hub is a pipeline. Raises GenartError where not everybody may load it, or where it is no model of ours."""
    repo_id, _, revision = name.partition("@")
    check_repo_id(repo_id)
    try:
        with hub_errors(repo_id, revision=revision, publishing=True):
            about = hub_api(False).model_info(repo_id, revision=revision or None)
    except GenartError as error:
        if error.code in ("hub_no_repo", "hub_gated", "hub_refused", "no_token", "not_writable"):
            raise GenartError("not_public", name=repo_id) from error
        raise
    if about.gated:
        raise GenartError("not_public", name=repo_id)
    files = {sibling.rfilename for sibling in about.siblings or ()}
    if {CONFIG, WEIGHTS} <= files:
        return False
    if PIPELINE not in files:
        raise GenartError("hub_no_file", name=repo_id, file=CONFIG if CONFIG not in files else WEIGHTS)
    return True


def _asked(hardware: str) -> "SpaceHardware | None":
    from huggingface_hub import SpaceHardware

    return None if hardware == "cpu-basic" else SpaceHardware(hardware)  # a Space is born on cpu-basic


def _refuse_other_space(api: "HfApi", repo_id: str) -> None:
    """An update deletes what it does not upload: not in a Space that is another app."""
    files = {sibling.rfilename for sibling in api.space_info(repo_id).siblings or ()} - {".gitattributes", "README.md"}
    if files and "genart_hub/__init__.py" not in files:
        raise GenartError("other_space", name=repo_id, file=sorted(files)[0])


def _version(package: str) -> str:
    try:
        return re.sub(r"\+.*", "", version(package))
    except PackageNotFoundError as error:
        raise GenartError("needs_package", package=package, install=package) from error


def total(folder: Path, files: list[Path]) -> int:
    """Bytes of these files."""
    return sum(os.path.getsize(folder / file) for file in files)
