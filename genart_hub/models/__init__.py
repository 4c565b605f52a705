"""The stations: one paper a file. A new model is one file here and its name in MODELS."""

from genart_hub.hub import HubModel
from genart_hub.models.classifier import Classifier
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.ddpm import DDPM
from genart_hub.models.gan import GAN
from genart_hub.models.resnet import ResNet
from genart_hub.models.text_gan import TextGAN
from genart_hub.models.text_vae import TextVAE
from genart_hub.models.tokens import Tokens
from genart_hub.models.vae import VAE
from genart_hub.models.vqvae import VQVAE

MODELS: dict[str, type[HubModel]] = {
    model.__name__: model for model in (GAN, VAE, DCGAN, ConvVAE, TextVAE, TextGAN, VQVAE, Tokens, DDPM, Classifier, ResNet)
}
