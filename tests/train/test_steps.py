"""One step of each objective: it learns, it touches what it should, and all its noise comes from its generator."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from genart_hub import losses
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE
from genart_hub.train.recipes import RECIPES, make_step
from genart_hub.train.steps import classifier_step, gan_step, vae_step


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def binary_pictures(n=4):
    return torch.randint(0, 2, (n, 1, 8, 8), generator=noise()).float() * 2 - 1


def sgd(module, lr=0.1):
    return torch.optim.SGD(module.parameters(), lr=lr)


def gradients(module):
    return [parameter.grad.clone() for parameter in module.parameters()]


def weights(module):
    return [value.clone() for value in module.state_dict().values()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def run_once(cls, tiny, seed=0):
    """One step of the recipe of a class, from the same weights. Returns the weights after it."""
    model = tiny(cls).train()
    step, _ = make_step(model, next(iter(RECIPES[cls.family].values())))
    labels = (torch.arange(4) % 3,) if cls is Classifier else ()
    step(binary_pictures(), *labels, generator=noise(seed))
    return weights(model)


# ---- every step ----


@pytest.mark.parametrize("cls", [GAN, VAE, Classifier])
def test_a_step_draws_all_its_noise_from_its_generator(cls, tiny):
    torch.manual_seed(1)
    before, first = torch.get_rng_state(), run_once(cls, tiny)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert equal(run_once(cls, tiny), first)
    assert not equal(run_once(cls, tiny, seed=5), first)


@pytest.mark.parametrize("cls", [GAN, VAE, Classifier])
def test_a_step_changes_every_weight_and_leaves_the_batch_alone(cls, tiny):
    model = tiny(cls).train()
    step, _ = make_step(model, next(iter(RECIPES[cls.family].values())))
    x, before = binary_pictures(), [p.clone() for p in model.parameters()]
    step(x, *((torch.arange(4) % 3,) if cls is Classifier else ()), generator=noise())
    assert not any(torch.equal(p, was) for p, was in zip(model.parameters(), before, strict=True))
    assert torch.equal(x, binary_pictures())
    assert not x.requires_grad


# ---- VAE ----


def test_the_vae_step_overfits_one_batch(vae):
    x, adam = binary_pictures(), torch.optim.Adam(vae.parameters(), lr=0.01)
    numbers = [vae_step(vae, adam, x, noise(k), beta=0.01) for k in range(200)]
    assert numbers[0]["reconstruction"] > 40  # 64 log 2 = 44.4 nats before it has learnt anything
    assert numbers[-1]["reconstruction"] < 4


def test_the_vae_step_follows_the_gradient_of_reconstruction_plus_beta_kl(vae):
    x, other = binary_pictures(), copy.deepcopy(vae)
    numbers = vae_step(vae, sgd(vae), x, noise(), beta=3.0)
    mu, logvar = other.encode(x)
    z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=noise())
    nll = -torch.distributions.Bernoulli(logits=other.decode(z)).log_prob((x + 1) / 2).sum() / 4
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 4
    (nll + 3.0 * kl).backward()
    torch.testing.assert_close(gradients(vae), gradients(other), rtol=1e-4, atol=1e-4)
    assert (numbers["reconstruction"].item(), numbers["kl"].item()) == pytest.approx((nll.item(), kl.item()), rel=1e-4)


def test_a_large_beta_drives_the_kl_to_zero(vae):
    x, adam = binary_pictures(), torch.optim.Adam(vae.parameters(), lr=0.01)
    for k in range(100):
        numbers = vae_step(vae, adam, x, noise(k), beta=1000.0)
    assert numbers["kl"].item() < 0.01


def test_a_binarised_step_sees_pixels_drawn_anew_from_their_grey_levels(vae):
    x, other = torch.zeros(4, 1, 8, 8), copy.deepcopy(vae)
    generator = noise(7)
    bits = 2 * torch.bernoulli((x + 1) / 2, generator=generator) - 1
    assert vae_step(vae, sgd(vae), x, noise(7), binarised=True) == vae_step(other, sgd(other), bits, generator)
    assert equal(weights(vae), weights(other))


# ---- GAN ----


def test_the_discriminator_learns_to_tell_one_batch_from_the_generators(gan):
    gan.train()
    x, adam = binary_pictures(), torch.optim.Adam(gan.discriminator.parameters(), lr=0.002)
    numbers = [gan_step(gan, sgd(gan.generator, lr=0.0), adam, x, noise(k)) for k in range(60)]
    assert numbers[0]["d_loss"].item() > 1.2  # 2 log 2 = 1.39 for one that is undecided
    assert numbers[-1]["d_loss"].item() < 0.1
    assert numbers[-1]["d_accuracy"].item() == 1.0


def test_the_generator_learns_to_fool_a_discriminator_that_stands_still(gan):
    gan.train()
    x, adam = binary_pictures(), torch.optim.Adam(gan.generator.parameters(), lr=0.002)
    losses_ = [gan_step(gan, adam, sgd(gan.discriminator, lr=0.0), x, noise(k))["g_loss"].item() for k in range(60)]
    assert losses_[-1] < losses_[0] - 0.1


def test_the_gan_step_reports_the_losses_of_the_logits(gan):
    gan.train()
    x, other = binary_pictures(), copy.deepcopy(gan)
    numbers = gan_step(gan, sgd(gan.generator), sgd(gan.discriminator), x, noise())
    x_hat = other.generate(torch.randn(4, gan.latent_dim, generator=noise()))
    real, fake = other.discriminate(x), other.discriminate(x_hat)
    assert numbers["d_loss"].item() == pytest.approx(-(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()).item(), rel=1e-4)
    assert numbers["g_loss"].item() == pytest.approx(-gan.discriminate(x_hat).sigmoid().log().mean().item(), rel=1e-4)
    assert numbers["d_accuracy"].item() == ((real > 0).sum() + (fake < 0).sum()).item() / 8


def test_the_generators_gradient_is_that_of_minus_log_d_alone(gan):
    gan.train()
    x, other = binary_pictures(), copy.deepcopy(gan)
    gan_step(gan, sgd(gan.generator), sgd(gan.discriminator, lr=0.0), x, noise(), r1=10.0)
    x_hat = other.generate(torch.randn(4, gan.latent_dim, generator=noise()))
    (-other.discriminate(x_hat).sigmoid().log().mean()).backward()
    torch.testing.assert_close(gradients(gan.generator), gradients(other.generator), rtol=1e-4, atol=1e-6)


def test_r1_adds_its_own_gradient_to_the_discriminator_and_none_to_the_generator(gan):
    gan.train()
    plain, punished = copy.deepcopy(gan), copy.deepcopy(gan)
    for model, r1 in ((plain, 0.0), (punished, 7.0)):
        gan_step(model, sgd(model.generator), sgd(model.discriminator, lr=0.0), binary_pictures(), noise(), r1=r1)
    assert equal(gradients(plain.generator), gradients(punished.generator))
    x = binary_pictures().requires_grad_()
    losses.r1_penalty(gan.discriminate(x), x).backward()
    for a, b, p in zip(gradients(plain.discriminator), gradients(punished.discriminator), gan.discriminator.parameters(), strict=True):
        torch.testing.assert_close(b - a, torch.zeros_like(a) if p.grad is None else 7.0 * p.grad, rtol=1e-3, atol=1e-6)


def test_the_discriminator_is_trainable_again_after_a_step(gan):
    gan_step(gan.train(), sgd(gan.generator), sgd(gan.discriminator), binary_pictures(), noise(), r1=1.0)
    assert all(parameter.requires_grad for parameter in gan.parameters())


# ---- classifier ----


def test_the_classifier_step_overfits_one_batch(tiny):
    classifier = tiny(Classifier, width=8, feature_dim=32).train()
    step = partial(classifier_step, classifier, torch.optim.Adam(classifier.parameters(), lr=0.01))
    stripes = torch.stack([binary_pictures(1)[0], torch.ones(1, 8, 8), -torch.ones(1, 8, 8)])
    numbers = [step(stripes, torch.tensor([0, 1, 2]), noise(k)) for k in range(80)]
    assert numbers[0]["loss"].item() > 0.7
    assert numbers[-1]["loss"].item() < 0.2
    assert numbers[-1]["accuracy"].item() == 1.0


def test_the_classifier_step_reports_the_cross_entropy_of_the_moved_pictures(tiny):
    classifier = tiny(Classifier).eval()
    for layer in classifier.modules():
        assert not (layer.training and isinstance(layer, nn.Dropout))
    x, labels = binary_pictures(), torch.tensor([0, 1, 2, 0])
    dy, dx = torch.randint(-2, 3, (2,), generator=noise(3)).tolist()
    log_p = classifier(torch.roll(x, (dy, dx), (2, 3))).log_softmax(1)
    expected = -sum(log_p[k, label].item() for k, label in enumerate(labels.tolist())) / 4
    assert classifier_step(classifier, sgd(classifier), x, labels, noise(3))["loss"].item() == pytest.approx(expected, rel=1e-5)
