"""Training: a step knows one objective, `fit` knows none, settings have a name, a task is all that a family brings, `train` makes a run."""

from genart_hub.train.classifier import ClassifierSettings, classifier_step
from genart_hub.train.gan import GANSettings, gan_step
from genart_hub.train.launch import train, train_steps
from genart_hub.train.loop import fit, fit_steps
from genart_hub.train.noise import Noise
from genart_hub.train.run import Run
from genart_hub.train.settings import Settings, Task, option
from genart_hub.train.tasks import TASKS, pick_settings, register, task_of
from genart_hub.train.vae import VAESettings, vae_step

__all__ = [
    "TASKS", "ClassifierSettings", "GANSettings", "Noise", "Run", "Settings", "Task", "VAESettings", "classifier_step", "fit", "fit_steps",
    "gan_step", "option", "pick_settings", "register", "task_of", "train", "train_steps", "vae_step",
]  # fmt: skip
