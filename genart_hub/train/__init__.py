"""Training: a step knows one objective, `fit` knows none, a recipe names the settings, `train` makes a run of them."""

from genart_hub.train.fit import Run, fit
from genart_hub.train.noise import Noise
from genart_hub.train.recipes import RECIPES, Recipe, pick_recipe
from genart_hub.train.steps import classifier_step, gan_step, vae_step
from genart_hub.train.training import train

__all__ = ["RECIPES", "Noise", "Recipe", "Run", "classifier_step", "fit", "gan_step", "pick_recipe", "train", "vae_step"]
