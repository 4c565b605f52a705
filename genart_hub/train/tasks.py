"""Which family is trained by which task, and its settings by name."""

from dataclasses import Field, fields
from typing import Any, get_type_hints

from genart_hub.errors import GenartError, choice
from genart_hub.train import classifier, ddpm, gan, text_gan, text_vae, tokens, vae, vqvae
from genart_hub.train.settings import Settings, Task

TASKS: dict[str, Task] = {
    "gan": gan.TASK,
    "vae": vae.TASK,
    "features": classifier.TASK,
    "text-vae": text_vae.TASK,
    "text-gan": text_gan.TASK,
    "vqvae": vqvae.TASK,
    "tokens": tokens.TASK,
    "ddpm": ddpm.TASK,
}


def register(family: str, task: Task) -> Task:
    """Train the models of a new family by `task`. Raises GenartError for the family of another task, and for what is no task."""
    there = _checked(family, TASKS.setdefault(family, _checked(family, task)))
    if (there.settings.__module__, there.settings.__qualname__) != (task.settings.__module__, task.settings.__qualname__):
        raise GenartError("task_taken", family=family, name=there.name)
    TASKS[family] = task  # a cell that runs again defines it anew
    return task


def task_of(model: Any) -> Task:
    """The task of a model, of its class, or of a family."""
    family = model if isinstance(model, str) else getattr(model, "family", "custom")
    if family not in TASKS:
        raise GenartError("no_task", family=family, choices=", ".join(TASKS))
    return _checked(family, TASKS[family])


def pick_settings(model: Any, preset: str | None = None, **changes: Any) -> Settings:
    """The settings of that name, of a class (its own preset where none is named) or of a family, with the changes that are not None."""
    task, preset = task_of(model), preset or ("default" if isinstance(model, str) else model.default_preset)
    if preset not in task.presets:
        raise GenartError("unknown_preset", preset=preset, family=task.name, choices=", ".join(task.presets))
    changes = {name: value for name, value in changes.items() if value is not None}
    known = {field.name for field in fields(task.settings)}
    for name in (name for name in changes if name not in known):
        choice("train", "setting", name, all_options())
        raise GenartError("not_of_family", option=name, family=task.name, other=all_options()[name][2][0])
    return task.presets[preset].change(**changes)


def all_options() -> dict[str, tuple[Field, Any, list[str]]]:
    """The settings of all families that the command line takes: their field, their type, and whose they are."""
    found: dict[str, tuple[Field, Any, list[str]]] = {}
    for task in TASKS.values():
        for field in filter(lambda field: field.metadata, fields(task.settings)):
            found.setdefault(field.name, (field, get_type_hints(task.settings)[field.name], []))[2].append(task.name)
    return found


def _checked(family: str, task: Any) -> Task:
    if not isinstance(task, Task):
        raise GenartError("task_incomplete", name=family, missing="Task()")
    return task
