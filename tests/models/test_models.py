"""What every model promises, and the layers of the article's GAN."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError
from genart_hub.models.base import FeatureNetwork, Generative, evaluating
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN
from genart_hub.models.labels import index_of_class, names_of_classes
from genart_hub.models.vae import VAE
from genart_hub.models.vqvae import VQVAE
from genart_hub.train.gan import FITS

MODELS = {name: cls for name, cls in genart_hub.MODELS.items() if cls.__module__.startswith("genart_hub.")}  # not those of other tests
GENERATIVE = [cls for cls in MODELS.values() if issubclass(cls, Generative)]
every_model = pytest.mark.parametrize("cls", MODELS.values(), ids=MODELS)
CONDITIONAL = [cls for cls in GENERATIVE if "class_names" in inspect.signature(cls).parameters]
CONVOLUTIONAL = [cls for cls in MODELS.values() if cls.channels_last]
EYES = [cls for cls in MODELS.values() if issubclass(cls, FeatureNetwork)]
ANIMALS = ("cat", "dog", "7")
every_generative_model = pytest.mark.parametrize("cls", GENERATIVE, ids=lambda cls: cls.__name__)
every_conditional_model = pytest.mark.parametrize("cls", CONDITIONAL, ids=lambda cls: cls.__name__)
every_convolutional_model = pytest.mark.parametrize("cls", CONVOLUTIONAL, ids=lambda cls: cls.__name__)
every_eye = pytest.mark.parametrize("cls", EYES, ids=lambda cls: cls.__name__)


def whole_arguments(cls) -> list[str]:
    return [p.name for p in inspect.signature(cls).parameters.values() if isinstance(p.default, int) and not isinstance(p.default, bool)]


def with_lively_classes(model):
    """The same model with random weights in what its classes look up, where a fresh one has none or all alike."""
    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.Embedding):
            layer.weight.data.normal_(generator=generator)
    return model


def pictures(model, n=3):
    shape = n, model.channels, model.image_size, model.image_size
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


# ---- all models ----


@every_model
def test_every_argument_has_a_default_and_the_paper_is_in_the_first_line(cls):
    assert all(p.default is not p.empty for p in inspect.signature(cls).parameters.values())
    assert "https://" in inspect.getmodule(cls).__doc__.splitlines()[0]


@every_model
def test_a_model_saves_and_loads_to_the_bit(cls, tiny, tmp_path):
    model = tiny(cls)
    loaded = genart_hub.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert type(loaded) is cls
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("value", [0, -3, 1.5, "x", True, [4], float("nan"), float("inf")])
@every_model
def test_a_refused_argument_is_named_with_its_model(cls, tiny, value):
    for name in whole_arguments(cls):
        if value == 0 and name in ("num_classes", "components") and not issubclass(cls, FeatureNetwork):
            continue  # no classes, no mixture
        with pytest.raises(GenartError, match=f"^{cls.__name__}: {name} must be "):
            tiny(cls, **{name: value})


@every_model
def test_a_whole_float_is_taken_as_a_whole_number(cls, tiny):
    name = whole_arguments(cls)[0]
    assert getattr(tiny(cls, **{name: 8.0}), name) == 8


# ---- generative models ----


@every_generative_model
def test_pictures_have_their_shape_and_range(cls, tiny):
    model = tiny(cls, channels=3)
    x = model.sample(5, seed=1)
    assert (x.shape, x.dtype, x.device.type) == ((5, 3, 8, 8), torch.float32, "cpu")
    assert x.abs().max() <= 1
    assert x.std() > 0.01
    assert not x.requires_grad


@every_generative_model
def test_latents_are_of_the_normal_distribution(cls, tiny):
    z = tiny(cls, latent_dim=50).latents(400)
    assert (z.shape, z.dtype) == ((400, 50), torch.float32)
    assert z.mean().item() == pytest.approx(0, abs=0.03)  # 4 standard errors
    assert z.std().item() == pytest.approx(1, abs=0.02)


@every_generative_model
def test_the_latents_of_a_seed_are_drawn_by_a_cpu_generator_of_that_seed(cls, tiny):
    model = tiny(cls)
    expected = torch.randn(model.latent_dim, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(model.latents(1, 7)[0], expected)


@every_generative_model
def test_the_same_seed_gives_the_same_pictures_and_another_seed_others(cls, tiny):
    model = tiny(cls)
    assert torch.equal(model.sample(4, 11), model.sample(4, 11))
    assert not torch.equal(model.sample(4, 11)[0], model.sample(4, 12)[0])


@every_generative_model
def test_picture_k_is_the_picture_of_seed_plus_k(cls, tiny):
    model = tiny(cls)
    x, z = model.sample(6, seed=40), model.latents(6, seed=40)
    for k in range(6):
        assert torch.equal(model.latents(1, 40 + k)[0], z[k])
        torch.testing.assert_close(model.sample(1, 40 + k)[0], x[k], rtol=0, atol=1e-4)


@every_generative_model
def test_sampling_in_train_mode_gives_the_same_pictures_and_every_mode_back(cls, tiny):
    model = tiny(cls)
    expected, state = model.sample(4, 2), {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    next(next(model.children()).children()).eval()
    modes = [module.training for module in model.modules()]
    assert torch.equal(model.sample(4, 2), expected)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@every_generative_model
def test_sampling_neither_reads_nor_moves_the_global_generator(cls, tiny):
    model = tiny(cls)
    torch.manual_seed(1)
    before, x = torch.get_rng_state(), model.sample(2, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(model.sample(2, 5), x)


@every_generative_model
def test_truncation_scales_the_latents(cls, tiny):
    model = tiny(cls, num_classes=0)
    torch.testing.assert_close(model.latents(3, 1, truncation=0.7), 0.7 * model.latents(3, 1))
    torch.testing.assert_close(model.sample(3, 1, truncation=0.7), model.generate(0.7 * model.latents(3, 1)).detach())
    assert torch.equal(model.sample(3, 1, truncation=1), model.sample(3, 1))


@pytest.mark.parametrize("truncation", [0, -0.5, 1.01, float("nan"), "x", None])
@every_generative_model
def test_a_truncation_outside_its_range_is_refused(cls, tiny, truncation):
    with pytest.raises(GenartError, match=f"{cls.__name__}: truncation must be"):
        tiny(cls).sample(1, truncation=truncation)


@pytest.mark.parametrize(
    ("n", "seed", "name"), [(0, 0, "n"), (1.5, 0, "n"), ("2", 0, "n"), (1, -1, "seed"), (1, 2**53, "seed"), (1, None, "seed")]
)
@every_generative_model
def test_a_count_or_a_seed_that_makes_no_sense_is_refused(cls, tiny, n, seed, name):
    with pytest.raises(GenartError, match=f"{cls.__name__}: {name} must be"):
        tiny(cls).sample(n, seed)


@every_generative_model
def test_a_model_without_classes_refuses_a_label(cls, tiny):
    model = tiny(cls, num_classes=0)
    assert (model.num_classes, model.class_names, model.labels(2)) == (0, (), None)
    for call in (lambda: model.sample(1, label=3), lambda: model.generate(model.latents(1), label="3")):
        with pytest.raises(GenartError, match="has no classes") as error:
            call()
        assert error.value.code == "no_classes"


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 4, 1)])
@every_generative_model
def test_latents_of_another_shape_are_refused(cls, tiny, shape):
    with pytest.raises(GenartError, match=rf"{cls.__name__}: latents must be of shape \(B, 4\)"):
        tiny(cls).generate(torch.zeros(shape))


@every_generative_model
def test_latents_in_place_of_a_count_are_told_the_call_that_takes_them(cls, tiny):
    model = tiny(cls)
    for z in (model.latents(3), model.latents(3).numpy()):
        with pytest.raises(GenartError, match=r"got a tensor of shape \(3, 4\)\. To draw the pictures of latents, call generate\(z\)"):
            model.sample(z)
    assert torch.equal(model.sample(torch.tensor(3)), model.sample(3))


@every_generative_model
def test_anything_but_a_tensor_is_told_how_to_become_one(cls, tiny):
    model = tiny(cls)
    with pytest.raises(GenartError, match=r"latents are a tensor of shape \(B, 4\), got int.* call sample\(n\)"):
        model.generate(16)
    looks = [getattr(model, name) for name in ("reconstruct", "encode", "discriminate", "score") if hasattr(model, name)]
    for look in looks:
        with pytest.raises(GenartError, match=r"got Image\. Make one of a picture with images\.from_pil\(picture, 8, 1\)"):
            look(Image.new("L", (8, 8)))
    assert looks


@every_generative_model
def test_the_picture_sends_a_finite_gradient_to_every_weight_of_its_maker(cls, tiny):
    model = tiny(cls, likelihood="unit-gaussian")  # a learned variance does not show in the picture
    model.generate(model.latents(4)).square().sum().backward()
    gradients = [p.grad for p in (model.generator if cls.family == "gan" else model.decoder).parameters()]
    assert all(gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0 for gradient in gradients)


@every_generative_model
def test_a_recipe_holds_all_that_made_the_picture_and_no_path(cls, tiny, tmp_path):
    model = genart_hub.from_pretrained(tiny(cls).save_pretrained(tmp_path / "mine"))
    recipe = model.recipe(5, n=3, truncation=0.5, columns=2)
    assert (recipe["model"], recipe["weights_sha256"]) == ("mine", model.source.sha256)
    assert (recipe["seed"], recipe["n"], recipe["truncation"], recipe["columns"]) == (5, 3, 0.5, 2)
    assert str(tmp_path) not in str(recipe)


def test_evaluating_gives_the_modes_back_after_an_error(gan):
    gan.train()
    with pytest.raises(GenartError), evaluating(gan):
        gan.discriminate(torch.zeros(1, 1, 9, 9))
    with evaluating(gan):
        assert not any(module.training for module in gan.modules())
    assert all(module.training for module in gan.modules())


# ---- models with classes ----


@every_conditional_model
@pytest.mark.parametrize(
    "label", [2, 2.0, "2", " 2 ", [2, 2, 2], (2, "2", 2.0), torch.tensor(2), torch.tensor([2, 2, 2]), np.int64(2), np.full(3, 2)]
)
def test_a_class_is_given_by_its_index_in_any_form(cls, tiny, label):
    assert tiny(cls).check_label(label, 3).tolist() == [2, 2, 2]


@every_conditional_model
def test_a_class_is_given_by_its_name_which_comes_before_an_index(cls, tiny):
    model = tiny(cls, num_classes=0, class_names=[*ANIMALS, *"abcdef"])
    assert model.check_label(["dog", " cat", "7", "8", 7], 5).tolist() == [1, 0, 2, 8, 7]


@every_conditional_model
@pytest.mark.parametrize(
    "label", [3, -1, "3", "-1", "bird", "", 0.5, float("nan"), True, [0, 3], [[0], [1]], {"a": 0}, torch.tensor([0.5, 1])]
)
def test_a_class_that_there_is_not_is_refused_with_those_there_are(cls, tiny, label):
    model = tiny(cls, num_classes=0, class_names=ANIMALS)
    for call in (lambda: model.sample(2, label=label), lambda: model.generate(model.latents(2), label)):
        with pytest.raises(GenartError, match=f"^{cls.__name__}: there is no class .* Choose one of: 0 cat, 1 dog, 2 7.$") as error:
            call()
        assert error.value.code == "bad_label"


@every_conditional_model
@pytest.mark.parametrize("label", [[0], [0, 1, 2], [], torch.tensor([0, 1, 2])])
def test_labels_of_another_count_than_the_pictures_are_refused(cls, tiny, label):
    with pytest.raises(GenartError, match=rf"{cls.__name__}: .* each of the 2 pictures; got {len(label)}") as error:
        tiny(cls).sample(2, label=label)
    assert error.value.code == "label_count"


@every_conditional_model
def test_the_class_of_a_seed_is_drawn_after_its_latent(cls, tiny):
    model, generator = tiny(cls, num_classes=5), torch.Generator()
    expected = []
    for seed in range(9, 29):
        generator.manual_seed(seed)
        torch.empty(model.latent_dim).normal_(generator=generator)
        expected.append(torch.randint(5, (), generator=generator).item())
    assert model.labels(20, 9).tolist() == expected
    assert set(expected) == set(range(5))


@every_conditional_model
def test_a_sample_without_a_label_has_the_classes_of_its_seeds(cls, tiny):
    model = with_lively_classes(tiny(cls))
    labels = model.labels(6, 40)
    assert [model.labels(1, 40 + k).item() for k in range(6)] == labels.tolist()
    assert torch.equal(model.sample(6, 40), model.generate(model.latents(6, 40), labels).detach())
    assert torch.equal(model.sample(6, 40, label=labels), model.sample(6, 40))


@every_conditional_model
def test_generating_without_a_label_takes_the_classes_in_turn(cls, tiny):
    model = with_lively_classes(tiny(cls))
    z = model.latents(5)
    assert torch.equal(model.generate(z), model.generate(z, [0, 1, 2, 0, 1]))


@every_conditional_model
def test_two_classes_give_different_pictures_of_one_latent_and_one_class_the_same(cls, tiny):
    model = with_lively_classes(tiny(cls))
    cat, dog = model.sample(3, 1, label=0), model.sample(3, 1, label=1)
    assert ((cat - dog).abs().flatten(1).amax(dim=1) > 1e-3).all()
    assert torch.equal(model.sample(3, 1, label="0"), cat)
    torch.testing.assert_close(model.sample(3, 1, label=[0, 1, 0])[1], dog[1])


@pytest.mark.parametrize("cls", [*CONDITIONAL, *EYES], ids=lambda cls: cls.__name__)
def test_class_names_go_through_a_file(cls, tiny, tmp_path):
    model = tiny(cls, num_classes=0, class_names=["猫", "dog", "a b"])
    loaded = genart_hub.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert (loaded.class_names, loaded.num_classes) == (("猫", "dog", "a b"), 3)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


def test_classes_without_names_are_named_by_their_numbers():
    assert names_of_classes("here", 3, ()) == ("0", "1", "2")
    assert names_of_classes("here", 2, ["a", "b"]) == names_of_classes("here", 0, ("a", "b")) == ("a", "b")
    assert names_of_classes("here", 0, []) == ()


@pytest.mark.parametrize("names", ["cat", None, 3, ["a", "a"], ["a", ""], ["a", 1], {"a": "b"}, {"a", "b"}])
def test_class_names_that_are_no_list_of_different_texts_are_refused(names):
    with pytest.raises(GenartError, match="here: class_names must be a list of different texts"):
        names_of_classes("here", 0, names)


def test_a_number_of_classes_that_is_not_that_of_their_names_is_refused():
    with pytest.raises(GenartError, match="num_classes is 3, but there are 2 class_names"):
        names_of_classes("here", 3, ["a", "b"])
    with pytest.raises(GenartError, match="here: num_classes must be at least 2, got 1"):
        names_of_classes("here", 1, [], low=2)


def test_only_the_first_twenty_classes_are_listed():
    with pytest.raises(GenartError, match=r": 0, 1, .*, 18, 19, …\.$"):
        index_of_class("here", "x", [str(k) for k in range(21)])


# ---- convolutional models ----


@every_conditional_model
@pytest.mark.parametrize(("size", "near"), [(50, 64), (7, 8), (0, 8), (24, 16), (600, 512), (1024, 512)])
def test_an_image_size_that_is_no_power_of_two_names_the_nearest_one(cls, tiny, size, near):
    with pytest.raises(GenartError, match=rf"^{cls.__name__}: image_size must be a power of two .*, got {size}\. Use {near} ") as error:
        tiny(cls, image_size=size)
    assert error.value.code == "not_power_of_two"


@every_convolutional_model
@pytest.mark.parametrize("classes", [0, 3])
def test_channels_last_weights_give_the_same_numbers(cls, tiny, classes):
    classes = max(classes, 2) if issubclass(cls, FeatureNetwork) else classes
    plain, last = (with_lively_classes(tiny(cls, image_size=16, channels=3, width=4, num_classes=classes)) for _ in range(2))
    last = last.to(memory_format=torch.channels_last)
    for x, x_last in zip(outputs(plain), outputs(last), strict=True):
        torch.testing.assert_close(x_last, x, rtol=0, atol=1e-4)


def outputs(model) -> list[torch.Tensor]:
    """Everything that a model says of three pictures and three latents."""
    x = pictures(model)
    if isinstance(model, FeatureNetwork):
        return [model.features(x), model(x)]
    if isinstance(model, VQVAE):  # a number near the middle between two levels may be rounded either way
        return [model.encoder(x), model.decode_tokens(torch.zeros(3, model.side, model.side, dtype=torch.int64))]
    prompt = {"prompt": "red fox"} if "prompt" in model.inputs else {}
    return [model.sample(3, 1, **prompt), *([model.discriminate(x)] if model.family == "gan" else [*model.encode(x), model.reconstruct(x)])]


@every_convolutional_model
def test_channels_last_weights_are_saved_as_others(cls, tiny, tmp_path):
    model = tiny(cls, width=4).to(memory_format=torch.channels_last)
    loaded = genart_hub.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())
    for x, x_loaded in zip(outputs(model), outputs(loaded), strict=True):
        torch.testing.assert_close(x_loaded, x, rtol=0, atol=1e-4)


@every_convolutional_model
def test_what_is_said_of_a_picture_does_not_depend_on_its_batch(cls, tiny):
    model = with_lively_classes(tiny(cls, image_size=16, width=4))
    model.train()
    for _ in range(3):  # so that the running statistics are those of something
        outputs(model)
    model.eval()
    x, z = pictures(model, 5), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    if isinstance(model, FeatureNetwork):
        calls = [lambda part: model(x[part])]
    elif isinstance(model, VQVAE):
        calls = [lambda part: model.encoder(x[part])]
    else:
        told = torch.ones(5, 8) if "prompt" in model.inputs else torch.ones(5, dtype=torch.int64)
        calls = [lambda part: model.generate(z[part], told[part])]
        given = () if "prompt" in model.inputs else (1,)
        calls += [lambda part: model.discriminate(x[part], 1) if model.family == "gan" else model.encode(x[part], *given)[0]]
    for call in calls:
        torch.testing.assert_close(call(slice(2, 3)), call(slice(None))[2:3], rtol=0, atol=1e-5)


# ---- feature networks ----


@every_eye
def test_an_eye_gives_features_and_the_logits_of_its_classes(cls, tiny):
    eye = tiny(cls, num_classes=4)
    x = pictures(eye)
    features = eye.features(x)
    assert (features.ndim, len(features), eye(x).shape) == (2, 3, (3, 4))
    torch.testing.assert_close(eye(x), features @ eye.head.weight.T + eye.head.bias)


class Normalised(FeatureNetwork):
    """Two channels, normalised."""

    image_size, channels, class_names = 1, 2, ("a", "b")

    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Sequential(nn.BatchNorm2d(2, eps=0), nn.Flatten()), nn.Linear(2, 2)


def test_the_shift_of_pictures_is_the_mean_over_the_channels_of_their_squared_distance_in_standard_deviations():
    network = Normalised().train()
    network.backbone[0].running_mean.copy_(torch.tensor([0.0, 1.0]))
    network.backbone[0].running_var.copy_(torch.tensor([1.0, 4.0]))
    x = torch.tensor([[1.0, 6.0], [3.0, 8.0]]).view(2, 2, 1, 1)  # means 2 and 7
    assert network.shift(x) == pytest.approx((2**2 + (6 / 2) ** 2) / 2)
    assert network.training
    assert network.backbone[0].running_mean.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "own", "other"), [("features-mnist", "vae-mnist", "dcgan-emoji"), ("features-emoji64", "dcgan-emoji", "gan-mnist")]
)
def test_a_bundled_eye_knows_pictures_like_its_own_from_others(name, own, other):
    eye = genart_hub.from_pretrained(name)
    near, far = (
        eye.shift(images.resize(genart_hub.from_pretrained(model).sample(100), eye.image_size, eye.channels)) for model in (own, other)
    )
    noise = eye.shift(torch.rand(100, eye.channels, eye.image_size, eye.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    assert near < FITS / 2
    assert min(far, noise) > 2 * FITS


@every_eye
def test_an_eye_needs_two_classes_and_pictures_of_its_size(cls, tiny):
    with pytest.raises(GenartError, match=f"{cls.__name__}: num_classes must be at least 2, got 1"):
        tiny(cls, num_classes=1)
    with pytest.raises(GenartError, match=rf"{cls.__name__}: images must be of shape \(B, 1, 8, 8\), got \(2, 3, 8, 8\)"):
        tiny(cls)(torch.zeros(2, 3, 8, 8))


# ---- GAN ----


def layers(half):
    """The names of the layers, and the widths of the linear ones."""
    linear = [(layer.in_features, layer.out_features) for layer in half if isinstance(layer, nn.Linear)]
    return [type(layer).__name__ for layer in half], linear


def test_the_gan_has_the_articles_layers():
    gan = GAN()
    names, widths = layers(gan.generator)
    assert names == ["Linear", "LeakyReLU"] + ["Linear", "BatchNorm1d", "LeakyReLU"] * 2 + ["Linear", "Tanh"]
    assert widths == [(100, 128), (128, 256), (256, 512), (512, 784)]
    names, widths = layers(gan.discriminator)
    assert names == ["Linear", "LeakyReLU"] * 2 + ["Linear"]
    assert widths == [(784, 512), (512, 256), (256, 1)]
    assert {layer.negative_slope for layer in gan.modules() if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_the_gan_has_the_articles_parameter_counts():
    gan = GAN()
    assert [sum(p.numel() for p in half.parameters()) for half in (gan.generator, gan.discriminator)] == [581_264, 533_505]


def test_the_discriminator_gives_one_logit_a_picture_and_the_score_is_its_sigmoid(gan):
    x = 3 * pictures(gan)
    logits = gan.discriminate(x)
    assert logits.shape == (3,)
    torch.testing.assert_close(gan.score(x), 1 / (1 + (-logits.detach()).exp()))
    torch.testing.assert_close(logits, gan.discriminator(x.view(3, 64))[:, 0])


def test_the_discriminator_refuses_pictures_of_another_size_and_labels(gan):
    with pytest.raises(GenartError, match=r"GAN: images must be of shape \(B, 1, 8, 8\), got \(2, 1, 9, 9\)"):
        gan.discriminate(torch.zeros(2, 1, 9, 9))
    with pytest.raises(GenartError, match="has no classes"):
        gan.discriminate(pictures(gan), label=1)


# ---- VAE ----


def test_the_vae_encodes_and_decodes_in_the_right_shapes(vae):
    logits, mu, logvar = vae(pictures(vae), torch.Generator())
    assert (logits.shape, mu.shape, logvar.shape) == ((3, 1, 8, 8), (3, 3), (3, 3))


def test_a_generated_picture_is_the_mean_of_its_bernoulli_pixels(vae):
    z = vae.latents(4)
    probability = torch.distributions.Bernoulli(logits=vae.decode(z)).mean
    torch.testing.assert_close(vae.generate(z), 2 * probability - 1)


def test_reparameterisation_is_mu_plus_sigma_times_the_generators_noise(vae):
    x = pictures(vae)
    mu, logvar = vae.encode(x)
    eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(3))
    logits, _, _ = vae(x, torch.Generator().manual_seed(3))
    torch.testing.assert_close(logits, vae.decode(mu + logvar.exp().sqrt() * eps))


def test_reconstruction_goes_through_the_mean_so_it_is_always_the_same(vae):
    x = pictures(vae)
    torch.testing.assert_close(vae.reconstruct(x), vae.generate(vae.encode(x)[0]).detach())
    assert torch.equal(vae.reconstruct(x), vae.reconstruct(x))


@pytest.mark.parametrize("hidden_dims", [[], [0], "16", [1.5], [True], 16, None])
def test_widths_that_are_no_list_of_whole_numbers_are_refused(hidden_dims):
    with pytest.raises(GenartError, match="VAE: hidden_dims must be a list"):
        VAE(hidden_dims=hidden_dims)


# ---- Classifier ----


@pytest.mark.parametrize("size", [4, 7, 8, 28])
def test_the_classifier_gives_features_and_logits_at_any_size(tiny, size):
    classifier = tiny(Classifier, image_size=size)
    x = pictures(classifier)
    assert classifier.features(x).shape == (3, 5)
    torch.testing.assert_close(classifier(x), classifier.head(classifier.features(x)))
    classifier(x).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in classifier.parameters())


def test_the_classifier_refuses_pictures_of_another_size(classifier):
    with pytest.raises(GenartError, match=r"Classifier: images must be of shape \(B, 1, 8, 8\)"):
        classifier(torch.zeros(1, 1, 28, 28))
