"""Training: a step knows one objective, `fit` knows none, a recipe names the settings, `train` makes a run of them."""

from genart_hub.train.launch import train
from genart_hub.train.loop import fit
from genart_hub.train.noise import Noise
from genart_hub.train.recipes import RECIPES, Recipe, pick_recipe
from genart_hub.train.run import Run
from genart_hub.train.steps import classifier_step, gan_step, vae_step

__all__ = ["RECIPES", "Noise", "Recipe", "Run", "classifier_step", "fit", "gan_step", "pick_recipe", "train", "vae_step"]
