"""Training: a step knows one objective, `fit` knows none, a recipe names the settings."""

from genart_hub.train.fit import Run, fit
from genart_hub.train.recipes import RECIPES, Recipe, train
from genart_hub.train.steps import classifier_step, gan_step, vae_step

__all__ = ["RECIPES", "Recipe", "Run", "classifier_step", "fit", "gan_step", "train", "vae_step"]
