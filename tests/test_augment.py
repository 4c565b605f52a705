"""The augmentations: what each does to known pixels, and that a gradient comes through."""

import pytest
import torch

from genart_hub import augment
from genart_hub.train.noise import Noise


def pictures(n=4, channels=3, size=16, seed=0):
    return 2 * torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(seed)) - 1


def marked(row, column, size=8):
    x = -torch.ones(1, 1, size, size)
    x[0, 0, row, column] = 1
    return x


def test_brightness_adds_one_number_a_picture_of_at_most_a_half():
    x = pictures(3)
    change = augment.brightness(x, torch.tensor([0.0, 0.5, 0.75])) - x
    torch.testing.assert_close(change, torch.tensor([-0.5, 0.0, 0.25]).view(3, 1, 1, 1).expand_as(x))


def test_saturation_goes_from_grey_to_twice_the_colour():
    x = pictures(3)
    grey, same, double = augment.saturation(x, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(grey, x[0].mean(dim=0).expand(3, -1, -1))
    torch.testing.assert_close(same, x[1])
    torch.testing.assert_close(double.mean(dim=0), x[2].mean(dim=0))
    torch.testing.assert_close(double[0] - double[1], 2 * (x[2, 0] - x[2, 1]))


def test_a_grey_picture_has_no_saturation_to_change():
    x = pictures(2, channels=1)
    torch.testing.assert_close(augment.saturation(x, torch.tensor([0.1, 0.9])), x)


def test_contrast_keeps_the_mean_and_scales_the_spread_by_a_half_to_one_and_a_half():
    x = pictures(3)
    changed = augment.contrast(x, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), x.mean(dim=(1, 2, 3)))
    torch.testing.assert_close(changed.std(dim=(1, 2, 3)), x.std(dim=(1, 2, 3)) * torch.tensor([0.5, 1.0, 1.5]))


def test_no_shift_is_no_change():
    x = pictures()
    assert torch.equal(augment.translation(x, torch.zeros(4, 2, dtype=torch.int64)), x)


@pytest.mark.parametrize(("shift", "place"), [((2, 0), (5, 4)), ((0, 3), (3, 7)), ((-1, -2), (2, 2))])
def test_a_shift_moves_a_pixel_down_and_to_the_right(shift, place):
    assert torch.equal(augment.translation(marked(3, 4), torch.tensor([shift])), marked(*place))


def test_each_picture_has_a_shift_of_its_own():
    x = marked(3, 4).repeat(2, 1, 1, 1)
    assert torch.equal(augment.translation(x, torch.tensor([[1, 0], [0, -2]])), torch.cat([marked(4, 4), marked(3, 2)]))


def test_a_shift_repeats_the_border_that_it_leaves_behind():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    down = augment.translation(x, torch.tensor([[2, 0]]))
    assert down[0, 0].tolist() == [[0, 1, 2, 3]] * 3 + [[4, 5, 6, 7]]
    left = augment.translation(x, torch.tensor([[0, -1]]))
    assert left[0, 0, :, 3].tolist() == left[0, 0, :, 2].tolist() == [3, 7, 11, 15]


def test_a_cutout_is_a_grey_square_about_its_centre():
    cut = augment.cutout(torch.ones(1, 3, 16, 16), torch.tensor([[8, 6]]))
    expected = torch.ones(16, 16)
    expected[4:12, 2:10] = 0
    assert torch.equal(cut[0], expected.expand(3, -1, -1))


def test_a_cutout_at_a_corner_ends_at_the_border():
    cut = augment.cutout(torch.ones(2, 1, 16, 16), torch.tensor([[0, 15], [15, 0]]))
    assert cut[0, 0, :4, 11:].sum() == cut[1, 0, 11:, :4].sum() == 0
    assert (cut == 0).sum().item() == 2 * 4 * 5


@pytest.mark.parametrize("mirrored", [torch.tensor([1.0, 0.0, 1.0]), torch.tensor([True, False, True])])
def test_a_flip_mirrors_left_and_right_of_those_asked_for_only(mirrored):
    x = torch.arange(12.0).view(3, 1, 2, 2)
    assert augment.flip(x, mirrored).flatten(1).tolist() == [[1, 0, 3, 2], [4, 5, 6, 7], [9, 8, 11, 10]]


def test_the_same_noise_does_the_same_to_made_pictures_as_to_real_ones():
    x = pictures(6)
    real, fake, other = (augment.diff_augment(x, augment.POLICIES, Noise(0, step)) for step in (3, 3, 4))
    assert torch.equal(real, fake)
    assert not torch.equal(real, other)


def test_each_picture_is_augmented_in_its_own_way_whatever_the_others_are():
    x = pictures(6)
    changed = augment.diff_augment(x, augment.POLICIES, Noise(0, 3))
    alone = augment.diff_augment(torch.cat([x[:1], torch.zeros_like(x[1:])]), augment.POLICIES, Noise(0, 3))
    torch.testing.assert_close(alone[0], changed[0])
    same = augment.diff_augment(x[:1].repeat(6, 1, 1, 1), augment.POLICIES, Noise(0, 3))
    assert len(same.flatten(1).unique(dim=0)) == 6


def test_a_policy_holds_what_it_names_and_nothing_else():
    x = pictures()
    assert torch.equal(augment.diff_augment(x, (), Noise(0, 1)), x)
    change = augment.diff_augment(x, ("brightness",), Noise(0, 1)) - x
    torch.testing.assert_close(change, (Noise(0, 1).uniform(4) - 0.5).view(4, 1, 1, 1).expand_as(x))


def test_translations_go_up_to_an_eighth_of_the_side_either_way():
    row, column = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    x = torch.stack([row, column])[None].expand(500, -1, -1, -1)
    moved = augment.diff_augment(x, ("translation",), Noise(0, 1))[:, :, 8, 8]
    assert (8 - moved).unique(dim=0).shape == (25, 2)
    assert (8 - moved).aminmax() == (-2, 2)


@pytest.mark.parametrize("policy", augment.POLICIES)
def test_a_gradient_comes_through(policy):
    x = pictures().requires_grad_()
    changed = augment.diff_augment(x, (policy,), Noise(0, 2))
    assert changed.shape == x.shape
    (gradient,) = torch.autograd.grad(changed.square().sum(), x)
    assert torch.isfinite(gradient).all()
    assert torch.all(gradient.flatten(1).norm(dim=1) > 0)


def test_the_gradient_of_a_shifted_pixel_belongs_to_where_it_came_from():
    x = pictures(1, 1, 8).requires_grad_()
    augment.translation(x, torch.tensor([[1, 2]]))[0, 0, 4, 5].backward()
    assert x.grad.nonzero().tolist() == [[0, 0, 3, 3]]
