"""A mixture of Gaussians as a VAE's prior: points of a known one are found again, and samples come by the same seeds."""

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import genart_hub
from genart_hub import cli, images, latents, remake
from genart_hub.errors import GenartError
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.mixture import Mixture, fit_mixture
from genart_hub.models.vae import VAE
from genart_hub.train.prior import fit_prior


@pytest.fixture
def points():
    """4,000 points of two Gaussians in the plane, three quarters of them of a slanted one around (4, 0)."""
    generator = torch.Generator().manual_seed(1)
    slanted = torch.randn(3000, 2, generator=generator) @ torch.tensor([[1.0, 0.8], [0.0, 0.3]]) + torch.tensor([4.0, 0.0])
    return torch.cat([slanted, torch.randn(1000, 2, generator=generator) / 2 - 3])


def test_what_made_the_points_is_found_again(points):
    mixture = fit_mixture(points, 2)
    first, second = mixture.weights.argsort(descending=True).tolist()
    assert mixture.weights[first].item() == pytest.approx(0.75, abs=0.01)
    assert mixture.means[first].tolist() == pytest.approx([4, 0], abs=0.05)
    assert mixture.means[second].tolist() == pytest.approx([-3, -3], abs=0.05)
    covariances = mixture.factors @ mixture.factors.mT
    assert covariances[first].flatten().tolist() == pytest.approx([1, 0.8, 0.8, 0.73], abs=0.05)
    assert covariances[second].flatten().tolist() == pytest.approx([0.25, 0, 0, 0.25], abs=0.03)


def test_the_density_is_that_of_torch_s_own_mixture(points):
    mixture = fit_mixture(points, 3)
    other = MixtureSameFamily(Categorical(mixture.weights), MultivariateNormal(mixture.means, scale_tril=mixture.factors))
    assert torch.allclose(mixture.log_prob(points[:50]), other.log_prob(points[:50]), atol=1e-4)


def test_placed_noise_has_the_mixture_s_moments(points):
    mixture, generator = fit_mixture(points, 2), torch.Generator().manual_seed(2)
    z = mixture.place(torch.randn(20_000, 2, generator=generator), torch.rand(20_000, generator=generator))
    assert torch.allclose(z.mean(dim=0), points.mean(dim=0), atol=0.1)
    assert torch.allclose(z.T.cov(), points.T.cov(), rtol=0.05, atol=0.1)


def test_more_components_do_not_lower_the_likelihood(points):
    assert fit_mixture(points, 2).log_prob(points).mean() > fit_mixture(points, 1).log_prob(points).mean() + 0.5


@pytest.fixture
def fitted(tiny, tmp_path):
    """A VAE whose prior has three components far from each other, as it comes from disk."""
    vae = tiny(VAE, latent_dim=3, components=3)
    vae.mixture.means.copy_(9 * torch.eye(3))
    vae.mixture.weights.copy_(torch.tensor([0.5, 0.25, 0.25]))
    return genart_hub.from_pretrained(vae.save_pretrained(tmp_path / "fitted"))


def test_samples_are_of_the_mixture_by_the_same_seeds(fitted):
    assert fitted.inputs == ("truncation", "prior")
    z = fitted.latents(400, 0)
    assert torch.equal(z[7:8], fitted.latents(1, 7))
    parts = (z / 9).round().argmax(dim=1)
    assert torch.bincount(parts).div(400).tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.08)
    assert torch.equal(fitted.sample(3, 5), fitted.generate(fitted.latents(3, 5)))
    means = 9 * torch.eye(3)[parts]
    assert torch.allclose(fitted.latents(400, 0, truncation=0.1), means + 0.1 * (z - means), atol=1e-5)


def test_the_normal_prior_gives_the_latents_of_before(fitted, tiny):
    assert torch.equal(fitted.latents(4, 3, prior="normal"), tiny(VAE, latent_dim=3).latents(4, 3))
    assert torch.equal(fitted.sample(4, 3, prior="normal"), fitted.generate(fitted.latents(4, 3, prior="normal")))


def test_a_recipe_names_the_prior_and_the_command_takes_it(fitted, tmp_path):
    assert cli.main(["sample", str(fitted.source.folder), "-n", "2", "--prior", "normal", "--out", str(tmp_path / "a.png")]) == 0
    assert images.read_recipe(tmp_path / "a.png")["prior"] == "normal"
    assert cli.main(["sample", "--from", str(tmp_path / "a.png"), "--out", str(tmp_path / "b.png")]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("method", ["slerp", "lerp"])
def test_a_walk_goes_from_point_to_point_of_the_mixture_and_stays_near_it(fitted, method):
    z = latents.seed_walk(fitted, [1, 2, 7], 41, method)
    for k, seed in ((0, 1), (20, 2), (40, 7)):
        torch.testing.assert_close(z[k : k + 1], fitted.latents(1, seed), rtol=0, atol=1e-4)
    assert (z.diff(dim=0).norm(dim=1) < 3 * z.diff(dim=0).norm(dim=1).mean()).all()  # no jump
    normal = latents.seed_walk(fitted, [1, 2], 5, method, prior="normal")
    torch.testing.assert_close(normal, latents.walk(torch.cat([fitted.latents(1, seed, prior="normal") for seed in (1, 2)]), 5, method))


def test_a_walk_inside_one_component_is_the_noise_s(tiny):
    model = tiny(VAE, latent_dim=3, components=1)
    model.mixture.means.fill_(5.0)
    model.mixture.factors.mul_(2.0)
    eps = torch.cat([model.noise(1, seed)[0] for seed in (1, 2)])
    torch.testing.assert_close(latents.seed_walk(model, [1, 2], 9), 5 + 2 * latents.walk(eps, 9))


def test_a_prior_that_is_none_is_refused(fitted, gan):
    with pytest.raises(GenartError, match="prior must be one of normal, mixture, got 'flat'"):
        fitted.sample(1, 0, prior="flat")
    with pytest.raises(GenartError, match="prior must be one of normal, got 'mixture'"):
        gan.sample(1, 0, prior="mixture")


@pytest.mark.parametrize("cls", [VAE, ConvVAE])
def test_a_mixture_of_another_size_is_no_file_of_the_model(cls, tiny, tmp_path):
    folder = tiny(cls, components=2).save_pretrained(tmp_path / "two")
    config = (folder / "config.json").read_text("utf-8")
    (folder / "config.json").write_text(config.replace('"components": 2', '"components": 3'), "utf-8")
    with pytest.raises(GenartError, match="mixture"):
        genart_hub.from_pretrained(folder)


def test_points_that_are_all_alike_have_a_density_all_the_same():
    mixture = fit_mixture(torch.ones(20, 2), 2)
    assert bool(mixture.factors.isfinite().all())
    assert torch.allclose(mixture.place(torch.zeros(3, 2), torch.tensor([0.0, 0.5, 0.99])), torch.ones(3, 2))


def test_points_that_cannot_be_fitted_are_told():
    with pytest.raises(GenartError, match="needs at least 8 pictures, got 7"):
        fit_mixture(torch.randn(7, 2), 4)
    with pytest.raises(GenartError, match="components must be"):
        Mixture(0, 3)


def test_a_prior_is_fitted_and_chosen_by_held_out_latents(tiny, tmp_path, capsys, picture_folder):
    x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for k, picture in enumerate(images.to_pil(x)):
        picture.save(picture_folder / "cat" / f"{k}.png")
    folder = tiny(VAE, latent_dim=2).save_pretrained(tmp_path / "vae")
    words = ["fit-prior", folder, "--data", picture_folder, "--out", tmp_path / "fitted", "--components", "1,2"]
    (tmp_path / "fitted").mkdir()
    (tmp_path / "fitted" / "evaluation.json").write_text("{}", "utf-8")  # of the weights before
    assert cli.main([str(word) for word in words]) == 0
    assert not (tmp_path / "fitted" / "evaluation.json").exists()
    assert "1 components:" in capsys.readouterr().out
    model = genart_hub.from_pretrained(tmp_path / "fitted")
    assert model.fitted_prior is not None
    assert torch.equal(model.reconstruct(x[:2]), genart_hub.from_pretrained(folder).reconstruct(x[:2]))


def test_a_picture_of_before_the_prior_is_made_again_as_it_was(tiny, tmp_path, picture_folder):
    folder = tmp_path / "model"
    model = genart_hub.from_pretrained(tiny(VAE, latent_dim=3).save_pretrained(folder))
    picture = images.grid(model.sample(4, 2), 4)
    images.save_png(picture, tmp_path / "before.png", model.recipe(2, 4, columns=4))
    for _ in range(2):  # fitted anew, it still knows the first weights
        assert cli.main(["fit-prior", str(folder), "--data", str(picture_folder), "--out", str(folder), "--components", "2"]) == 0
    fitted = genart_hub.from_pretrained(folder)
    assert fitted.fitted_prior is not None
    again, _, _ = remake.remake(tmp_path / "before.png", lambda place: fitted)
    assert again.tobytes() == picture.tobytes()
    images.save_png(images.grid(fitted.sample(4, 2), 4), tmp_path / "after.png", fitted.recipe(2, 4, columns=4))
    again, _, _ = remake.remake(tmp_path / "after.png", lambda place: fitted)
    assert again.tobytes() == images.grid(fitted.sample(4, 2), 4).tobytes()


def test_only_a_vae_gets_a_prior(gan):
    with pytest.raises(GenartError, match="is no VAE whose latents"):
        fit_prior(gan, None)
    assert gan.fitted_prior is None
