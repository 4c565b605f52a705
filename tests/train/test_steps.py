"""One step of each objective: it learns, it touches what it should, and all its noise comes from what it is given."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from genart_hub import losses
from genart_hub.augment import POLICIES, diff_augment
from genart_hub.models import MODELS
from genart_hub.models.classifier import Classifier
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.gan import GAN
from genart_hub.models.resnet import ResNet
from genart_hub.train import classifier_step, gan_step, pick_settings, task_of, vae_step
from genart_hub.train.gan import frozen
from genart_hub.train.noise import Noise

CLASSES = [cls for cls in MODELS.values() if cls.family in ("gan", "vae", "features")]
OBJECTIVES = {  # by their papers' formulas, r and f the logits
    "non-saturating": (lambda r, f: -(r.sigmoid().log() + (1 - f.sigmoid()).log()).mean(), lambda r, f: -f.sigmoid().log().mean()),
    "minimax": (lambda r, f: -(r.sigmoid().log() + (1 - f.sigmoid()).log()).mean(), lambda r, f: (1 - f.sigmoid()).log().mean()),
    "hinge": (lambda r, f: ((1 - r).clamp(min=0) + (1 + f).clamp(min=0)).mean(), lambda r, f: -f.mean()),
    "wasserstein": (lambda r, f: (f - r).mean(), lambda r, f: -f.mean()),
    "relativistic": (lambda r, f: -(r - f).sigmoid().log().mean(), lambda r, f: -(f - r).sigmoid().log().mean()),
}


class Recorded(torch.optim.SGD):
    """Plain descent that keeps the gradients it has seen."""

    def __init__(self, module, lr=0.1):
        super().__init__(module.parameters(), lr=lr)

    def step(self):
        self.gradients = gradients(self.param_groups[0]["params"])
        super().step()


def gradients(parameters):
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def binary_pictures(n=4):
    return torch.randint(0, 2, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0)).float() * 2 - 1


def weights(module):
    return [value.clone() for value in module.state_dict().values()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def classes(model):
    return (torch.arange(4) % 3,) if model.num_classes else ()


def run_once(cls, tiny, seed=0):
    """One step of the preset of a class, from the same weights. Returns the model after it."""
    model = tiny(cls).train()
    step, optimizers = task_of(cls).make_step(model, pick_settings(cls))
    step(model, *optimizers.values(), binary_pictures(), *classes(model), noise=Noise(seed))
    return model


def recorded_gan_step(gan, x, *label, noise=None, lr=0.0, **options):
    """The numbers of a step, and the gradients that it gave to the generator and to the discriminator."""
    g_optimizer, d_optimizer = Recorded(gan.generator), Recorded(gan.discriminator, lr)
    numbers = gan_step(gan, g_optimizer, d_optimizer, x, *label, noise=noise or Noise(), **options)
    return numbers, g_optimizer.gradients, d_optimizer.gradients


# ---- every step ----


@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_draws_all_its_noise_from_what_it_is_given(cls, tiny):
    torch.manual_seed(1)
    before, first = torch.get_rng_state(), weights(run_once(cls, tiny))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert equal(weights(run_once(cls, tiny)), first)
    assert not equal(weights(run_once(cls, tiny, seed=5)), first)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_changes_every_weight_clears_its_gradients_and_leaves_the_batch_alone(cls, tiny):
    model = tiny(cls).train()
    step, optimizers = task_of(cls).make_step(model, pick_settings(cls))
    x, before = binary_pictures(), [p.clone() for p in model.parameters()]
    step(model, *optimizers.values(), x, *classes(model), noise=Noise())
    unseen = {"discriminator.judge.bias"} if cls is DCGAN else set()  # between two logits the bias makes no difference
    assert {name for (name, p), was in zip(model.named_parameters(), before, strict=True) if torch.equal(p, was)} == unseen
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert torch.equal(x, binary_pictures())
    assert not x.requires_grad


@pytest.mark.parametrize(("name", "calls"), [("GAN", 2), ("VAE", 1), ("Classifier", 1)])
def test_a_step_goes_backward_by_the_function_it_is_given(name, calls, tiny):
    seen = []
    for factor in (1.0, 2.0):
        model = tiny(MODELS[name])
        step, _ = task_of(model).make_step(model, pick_settings(model.family))
        optimizers = [Recorded(part, 0.0) for part in ((model.generator, model.discriminator) if calls == 2 else (model,))]
        backward = lambda loss, factor=factor: seen.append(loss) or (factor * loss).backward()  # noqa: E731
        step(model, *optimizers, binary_pictures(), *classes(model), noise=Noise(), backward=backward)
        seen.append([gradient for optimizer in optimizers for gradient in optimizer.gradients])
    assert len(seen) == 2 * (calls + 1)
    close(seen[-1], [2 * gradient for gradient in seen[calls]])


# ---- VAE ----


def test_the_vae_step_overfits_one_batch(vae):
    x, adam = binary_pictures(), torch.optim.Adam(vae.parameters(), lr=0.01)
    numbers = [vae_step(vae, adam, x, noise=Noise(k), beta=0.01) for k in range(200)]
    assert numbers[0]["reconstruction"] > 40  # 64 log 2 = 44.4 nats before it has learnt anything
    assert numbers[-1]["reconstruction"] < 4


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "unit-gaussian"])
def test_the_vae_step_follows_the_gradient_of_reconstruction_plus_beta_kl(likelihood, vae, tiny):
    vae = vae if likelihood == "bernoulli" else tiny(ConvVAE, likelihood=likelihood, num_classes=0)
    x, other, optimizer = binary_pictures(), copy.deepcopy(vae), Recorded(vae)
    numbers = vae_step(vae, optimizer, x, noise=Noise(8, 3), beta=3.0)
    mu, logvar = other.encode(x)
    p = other.decode(mu + (0.5 * logvar).exp() * Noise(8, 3).normal(4, vae.latent_dim))
    if likelihood == "bernoulli":
        log_p = torch.distributions.Bernoulli(logits=p).log_prob((x + 1) / 2)
    else:
        log_p = torch.distributions.Normal(p, (0.5 * other.decoder.logvar).exp() if likelihood == "gaussian" else 1.0).log_prob(x)
    nll = -log_p.sum() / 4
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 4
    (nll + 3.0 * kl).backward()
    torch.testing.assert_close(optimizer.gradients, gradients(other.parameters()), rtol=1e-3, atol=1e-4)
    assert (numbers["reconstruction"].item(), numbers["kl"].item()) == pytest.approx((nll.item(), kl.item()), rel=1e-4)


def test_a_conditional_vae_is_told_the_classes(tiny):
    vae, x, labels = tiny(ConvVAE), binary_pictures(), torch.tensor([2, 0, 1, 1])
    numbers = vae_step(copy.deepcopy(vae), Recorded(vae, 0.0), x, labels, noise=Noise())
    mu, logvar = vae.encode(x, labels)
    z = mu + (0.5 * logvar).exp() * Noise().normal(4, vae.latent_dim)
    assert numbers["reconstruction"].item() == pytest.approx(vae.nll(vae.decode(z, labels), x).mean().item(), rel=1e-5)
    assert numbers["kl"].item() == pytest.approx(losses.kl_to_standard_normal(mu, logvar).mean().item(), rel=1e-5)


def test_labels_that_do_not_count_leave_the_way_without_one(tiny):
    vae, x, labels, noise = tiny(ConvVAE), binary_pictures(), torch.tensor([2, 0, 1, 1]), Noise(5)
    eps, told = noise.normal(4, vae.latent_dim), noise.coin(0.5, 4).bool()
    assert 0 < told.sum() < 4
    numbers = vae_step(copy.deepcopy(vae), Recorded(vae, 0.0), x, labels, noise=Noise(5), label_dropout=0.5)
    mu, logvar = (torch.where(told[:, None], *pair) for pair in zip(vae.encode(x, labels), vae.encode(x), strict=True))
    z = mu + (0.5 * logvar).exp() * eps
    p = torch.where(told.view(4, 1, 1, 1), vae.decode(z, labels), vae.decoder(z))
    assert numbers["reconstruction"].item() == pytest.approx(vae.nll(p, x).mean().item(), rel=1e-5)
    assert numbers["kl"].item() == pytest.approx(losses.kl_to_standard_normal(mu, logvar).mean().item(), rel=1e-5)


@pytest.mark.slow
def test_a_vae_that_was_not_always_told_the_class_does_without_it(tiny):
    x, labels, errors = binary_pictures(), torch.tensor([2, 0, 1, 1]), {}
    for share in (0.0, 0.3):
        vae = tiny(ConvVAE)
        adam = torch.optim.Adam(vae.parameters(), lr=0.01)
        for k in range(150):
            vae_step(vae, adam, x, labels, noise=Noise(k), beta=0.01, label_dropout=share)
        errors[share] = (vae.reconstruct(x) - x).square().mean().item()
    assert errors[0.3] < 0.75 * errors[0.0]


def test_the_learned_variance_becomes_the_mean_squared_error(tiny):
    vae, x = tiny(ConvVAE, num_classes=0), binary_pictures()
    adam = torch.optim.Adam([vae.decoder.logvar], lr=0.1)
    for _ in range(100):
        vae_step(vae, adam, x, noise=Noise(1))
    p, _, _ = vae(x, eps=Noise(1).normal(4, vae.latent_dim))
    assert vae.decoder.logvar.exp().item() == pytest.approx((x - p).square().mean().item(), rel=0.02)


def test_a_large_beta_drives_the_kl_to_zero(vae):
    x, adam = binary_pictures(), torch.optim.Adam(vae.parameters(), lr=0.01)
    for k in range(100):
        numbers = vae_step(vae, adam, x, noise=Noise(k), beta=1000.0)
    assert numbers["kl"].item() < 0.01


def test_a_binarised_step_sees_pixels_drawn_anew_from_their_grey_levels(vae):
    x, other, noise = torch.full((4, 1, 8, 8), -0.5), copy.deepcopy(vae), Noise(7)
    bits = torch.where(noise.uniform(4, 1, 8, 8) < 0.25, 1.0, -1.0)
    assert vae_step(vae, Recorded(vae), x, noise=Noise(7), binarised=True) == vae_step(other, Recorded(other), bits, noise=noise)
    assert equal(weights(vae), weights(other))


# ---- GAN ----


def test_the_discriminator_learns_to_tell_one_batch_from_the_generators(gan):
    gan.train()
    x, adam = binary_pictures(), torch.optim.Adam(gan.discriminator.parameters(), lr=0.002)
    numbers = [gan_step(gan, Recorded(gan.generator, 0.0), adam, x, noise=Noise(k)) for k in range(60)]
    assert numbers[0]["d_loss"].item() > 1.2  # 2 log 2 = 1.39 for one that is undecided
    assert numbers[-1]["d_loss"].item() < 0.1
    assert numbers[-1]["d_accuracy"].item() == 1.0


def test_the_generator_learns_to_fool_a_discriminator_that_stands_still(gan):
    gan.train()
    x, adam = binary_pictures(), torch.optim.Adam(gan.generator.parameters(), lr=0.002)
    losses_ = [gan_step(gan, adam, Recorded(gan.discriminator, 0.0), x, noise=Noise(k))["g_loss"].item() for k in range(60)]
    assert losses_[-1] < losses_[0] - 0.1


def test_every_objective_has_its_formula_here():
    assert OBJECTIVES.keys() == losses.OBJECTIVES.keys()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_gives_its_losses_and_gradients_the_discriminators_first(objective, gan):
    other, x = copy.deepcopy(gan.train()), binary_pictures()
    numbers, of_g, of_d = recorded_gan_step(gan, x, lr=0.5, noise=Noise(4), objective=losses.OBJECTIVES[objective])
    x_hat = other.generate(Noise(4).normal(4, gan.latent_dim))
    d_loss = OBJECTIVES[objective][0](other.discriminate(x), other.discriminate(x_hat.detach()))
    d_loss.backward()
    close(of_d, gradients(other.discriminator.parameters()))
    torch.optim.SGD(other.discriminator.parameters(), lr=0.5).step()
    g_loss = OBJECTIVES[objective][1](other.discriminate(x), other.discriminate(x_hat))
    g_loss.backward()
    close(of_g, gradients(other.generator.parameters()))
    assert (numbers["d_loss"].item(), numbers["g_loss"].item()) == pytest.approx((d_loss.item(), g_loss.item()), rel=1e-4)


def test_the_accuracy_is_the_share_told_right_and_of_pairs_where_the_real_one_wins(gan):
    gan.discriminator[-1].bias.data.fill_(3.0)  # all seem real
    copies, x = [copy.deepcopy(gan) for _ in range(2)], binary_pictures()
    x_hat = gan.generate(Noise().normal(4, gan.latent_dim))
    real, fake = gan.discriminate(x), gan.discriminate(x_hat)
    numbers, _, _ = recorded_gan_step(copies[0], x)
    assert numbers["d_accuracy"].item() == ((real > 0).sum() + (fake < 0).sum()).item() / 8 == 0.5
    numbers, _, _ = recorded_gan_step(copies[1], x, objective=losses.OBJECTIVES["relativistic"])
    assert numbers["d_accuracy"].item() == (real > fake).float().mean().item() != 0.5


@pytest.mark.parametrize(("step", "times"), [(0, 3), (1, 0), (2, 0), (3, 3)])
def test_r1_adds_its_gradient_every_nth_step_n_times_and_none_to_the_generator(gan, step, times):
    plain, punished = copy.deepcopy(gan.train()), copy.deepcopy(gan)
    x = binary_pictures()
    _, of_g, of_d = recorded_gan_step(plain, x, noise=Noise(0, step))
    _, of_g_punished, of_d_punished = recorded_gan_step(punished, x, noise=Noise(0, step), r1=7.0, r1_every=3)
    assert equal(of_g, of_g_punished)
    x.requires_grad_()
    losses.r1_penalty(gan.discriminate(x), x).backward()
    for a, b, r1 in zip(of_d, of_d_punished, gradients(gan.discriminator.parameters()), strict=True):
        torch.testing.assert_close(b - a, 7.0 * times * r1, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("step", "times"), [(0, 3), (1, 0), (2, 0), (3, 3)])
def test_r2_adds_its_gradient_at_the_made_pictures_every_nth_step_n_times_and_none_to_the_generator(gan, step, times):
    plain, punished = copy.deepcopy(gan.train()), copy.deepcopy(gan)
    _, of_g, of_d = recorded_gan_step(plain, binary_pictures(), noise=Noise(0, step))
    _, of_g_punished, of_d_punished = recorded_gan_step(punished, binary_pictures(), noise=Noise(0, step), r2=7.0, r1_every=3)
    assert equal(of_g, of_g_punished)
    x_hat = gan.generate(Noise(0, step).normal(4, gan.latent_dim)).detach().requires_grad_()
    losses.r2_penalty(gan.discriminate(x_hat), x_hat).backward()
    for a, b, r2 in zip(of_d, of_d_punished, gradients(gan.discriminator.parameters()), strict=True):
        torch.testing.assert_close(b - a, 7.0 * times * r2, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_the_penalties_are_of_the_pixels_before_their_augmentation(penalty, gan):
    weight = torch.linspace(-1, 1, 64).requires_grad_()
    gan.train().discriminator = Linear(weight)
    plain, punished = (
        recorded_gan_step(copy.deepcopy(gan), binary_pictures(), noise=Noise(3), augment=("contrast",), **options)[2]
        for options in ({}, {penalty: 2.0})
    )
    noise = Noise(3)
    noise.normal(4, gan.latent_dim)
    of_real, of_made = noise.uniform(4) + 0.5, noise.uniform(4) + 0.5  # contrast: (x - mean) times these
    square = (of_real if penalty == "r1" else of_made).square().mean()
    slope = weight - weight.mean()  # of w (x - mean) by x
    (expected,) = torch.autograd.grad(2.0 * square * slope.square().sum(), weight)
    torch.testing.assert_close(punished[0] - plain[0], expected, rtol=1e-4, atol=1e-5)


class Linear(nn.Module):
    """D(x) = w x."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())

    def forward(self, x):
        return (x @ self.weight)[:, None]


def test_the_gradient_penalty_adds_its_gradient_between_real_and_made_pictures(gan):
    plain, punished = copy.deepcopy(gan.train()), copy.deepcopy(gan)
    x, noise = binary_pictures(), Noise(2)
    _, _, of_d = recorded_gan_step(plain, x, noise=Noise(2))
    _, _, of_d_punished = recorded_gan_step(punished, x, noise=Noise(2), gp=5.0)
    x_hat = gan.generate(noise.normal(4, gan.latent_dim)).detach()
    penalty = 0.0
    for real, fake, u in zip(x, x_hat, noise.uniform(4), strict=True):
        between = (u * real + (1 - u) * fake)[None].requires_grad_()
        (slope,) = torch.autograd.grad(gan.discriminate(between).sum(), between, create_graph=True)
        penalty = penalty + (slope.square().sum().sqrt() - 1) ** 2 / 4
    penalty.backward()
    for a, b, gp in zip(of_d, of_d_punished, gradients(gan.discriminator.parameters()), strict=True):
        torch.testing.assert_close(b - a, 5.0 * gp, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
def test_real_and_made_pictures_are_augmented_before_they_are_judged_and_the_generator_learns_through_it(policy, tiny):
    gan, x, noise = tiny(GAN, channels=3).train(), binary_pictures(12).view(4, 3, 8, 8), Noise(3)
    other = copy.deepcopy(gan)
    plain, _, _ = recorded_gan_step(copy.deepcopy(gan), x, noise=Noise(3))
    numbers, of_g, of_d = recorded_gan_step(gan, x, noise=Noise(3), augment=(policy,))
    x_hat = other.generate(noise.normal(4, gan.latent_dim))
    real, fake = diff_augment(x, (policy,), noise), diff_augment(x_hat, (policy,), noise)
    d_loss = losses.discriminator_loss(other.discriminate(real), other.discriminate(fake.detach()))
    d_loss.backward()
    close(of_d, gradients(other.discriminator.parameters()))
    losses.generator_loss(other.discriminate(fake)).backward()
    close(of_g, gradients(other.generator.parameters()))
    assert numbers["d_loss"].item() == pytest.approx(d_loss.item(), rel=1e-5)
    assert numbers["d_loss"].item() != pytest.approx(plain["d_loss"].item(), rel=1e-5)


def test_both_halves_are_told_the_classes_of_the_real_pictures(tiny):
    gan, x, labels = tiny(DCGAN).train(), binary_pictures(), torch.tensor([2, 0, 1, 1])
    gan.discriminator.embed.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    gan.generator.norms[0].bias.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    other = copy.deepcopy(gan)
    numbers, of_g, of_d = recorded_gan_step(gan, x, labels)
    x_hat = other.generate(Noise().normal(4, gan.latent_dim), labels)
    d_loss = losses.discriminator_loss(other.discriminate(x, labels), other.discriminate(x_hat.detach(), labels))
    d_loss.backward()
    close(of_d, gradients(other.discriminator.parameters()))
    losses.generator_loss(other.discriminate(x_hat, labels)).backward()
    close(of_g, gradients(other.generator.parameters()))
    assert numbers["d_loss"].item() == pytest.approx(d_loss.item(), rel=1e-5)


def test_a_conditional_dcgan_learns_one_batch(tiny):
    gan, x = tiny(DCGAN, width=4).train(), binary_pictures(6)
    step, optimizers = task_of(gan).make_step(gan, pick_settings("gan", "convolutional", lr=2e-3))
    numbers = [step(gan, *optimizers.values(), x, torch.arange(6) % 3, noise=Noise(0, k)) for k in range(60)]
    first, last = (torch.stack([one["d_loss"] for one in some]).mean().item() for some in (numbers[:5], numbers[-5:]))
    assert first == pytest.approx(0.69, abs=0.1)  # log 2: it cannot tell the pairs
    assert last < first - 0.1


def test_the_discriminator_is_trainable_again_after_a_step(gan):
    recorded_gan_step(gan.train(), binary_pictures(), r1=1.0)
    assert all(parameter.requires_grad for parameter in gan.parameters())


class Wrapped(nn.Module):
    """A module as several processes wrap it, which counts its calls."""

    def __init__(self, module):
        super().__init__()
        self.module, self.calls = module, 0

    def forward(self, *inputs):
        self.calls += 1
        return self.module(*inputs)


def test_the_generators_step_goes_around_the_discriminators_wrapper_which_then_is_back(gan):
    bare, x = copy.deepcopy(gan.train()), binary_pictures()
    gan.discriminator = wrapper = Wrapped(gan.discriminator)
    numbers, of_g, of_d = recorded_gan_step(gan, x)
    assert gan.discriminator is wrapper
    assert wrapper.calls == 2  # a real and a made batch
    expected, expected_g, expected_d = recorded_gan_step(bare, x)
    assert numbers == expected
    assert equal(of_g + of_d, expected_g + expected_d)


def test_a_frozen_discriminator_is_thawed_whatever_happens(gan):
    discriminator = gan.discriminator
    with pytest.raises(ZeroDivisionError), frozen(gan) as judge:
        1 / any(p.requires_grad for p in judge.discriminator.parameters())  # none of them does
    assert gan.discriminator is discriminator
    assert all(p.requires_grad for p in gan.parameters())


# ---- classifier ----


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "size"), [(Classifier, {"width": 8, "feature_dim": 32}), (ResNet, {"width": 4})])
def test_the_classifier_step_overfits_one_batch(cls, size, tiny):
    classifier = tiny(cls, **size).train()
    step = partial(classifier_step, classifier, torch.optim.Adam(classifier.parameters(), lr=0.01))
    stripes = torch.stack([binary_pictures(1)[0], torch.ones(1, 8, 8), -torch.ones(1, 8, 8)])
    numbers = [step(stripes, torch.tensor([0, 1, 2]), noise=Noise(k), augment=("translation",), dropout=0.25) for k in range(80)]
    assert numbers[0]["loss"].item() > 0.7
    assert numbers[-1]["loss"].item() < 0.2
    assert numbers[-1]["accuracy"].item() == 1.0


def test_the_classifier_step_reports_the_cross_entropy_of_each_picture_moved_by_its_own_shift(classifier):
    x, labels, noise = binary_pictures(), torch.tensor([0, 1, 2, 0]), Noise(3)
    down, right = noise.integers(-1, 1, 4), noise.integers(-1, 1, 4)
    rows, columns = ((torch.arange(8) - shift[:, None]).clamp(0, 7) for shift in (down, right))  # the border goes on outwards
    moved = torch.stack([one[:, i][:, :, j] for one, i, j in zip(x, rows, columns, strict=True)])
    log_p = classifier(moved).log_softmax(1)
    expected = -sum(log_p[k, label].item() for k, label in enumerate(labels.tolist())) / 4
    numbers = classifier_step(classifier, Recorded(classifier), x, labels, noise=Noise(3), augment=("translation",))
    assert numbers["loss"].item() == pytest.approx(expected, rel=1e-5)
    assert numbers["accuracy"].item() == (log_p.argmax(1) == labels).sum().item() / 4


def test_dropout_hides_features_from_the_last_layer_and_scales_up_the_rest(classifier):
    x, labels = binary_pictures(), torch.tensor([0, 1, 2, 0])
    features = classifier.features(x)
    seen = torch.where(Noise(5).uniform(4, 5) < 0.6, features / 0.6, 0.0)
    expected = nn.CrossEntropyLoss()(classifier.head(seen), labels).item()
    assert expected != pytest.approx(nn.CrossEntropyLoss()(classifier.head(features), labels).item())
    numbers = classifier_step(classifier, Recorded(classifier), x, labels, noise=Noise(5), dropout=0.4)
    assert numbers["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_smoothing_spreads_a_share_of_the_target_over_all_classes(classifier):
    x, labels = binary_pictures(), torch.tensor([0, 1, 2, 0])
    target = 0.7 * torch.eye(3)[labels] + 0.3 / 3
    expected = -(target * classifier(x).log_softmax(1)).sum().item() / 4
    numbers = classifier_step(classifier, Recorded(classifier), x, labels, noise=Noise(), smoothing=0.3)
    assert numbers["loss"].item() == pytest.approx(expected, rel=1e-5)
