"""A plain PyTorch GAN comes in by the lines that README shows: its pictures are those of its author's module."""

import pickle
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

import genart_hub
from genart_hub.models import MODELS

EXAMPLE = Path(__file__).with_name("foreign_example.py")
HUB = Path(genart_hub.__file__).parent / "hub"


class Plain(nn.Module):
    """Either half as such scripts have it."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.model = nn.Sequential(*layers)


@pytest.fixture
def author(tmp_path, monkeypatch):
    """The author's two modules, in eval mode, after some training; their state dicts lie in the working folder."""
    monkeypatch.chdir(tmp_path)
    generator = Plain(
        nn.Linear(100, 256),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(256, 512),
        nn.BatchNorm1d(512),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(512, 1024),
        nn.BatchNorm1d(1024),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(1024, 784),
        nn.Tanh(),
    )
    slope = nn.LeakyReLU(0.2, inplace=True)
    discriminator = Plain(nn.Linear(784, 512), slope, nn.Linear(512, 256), slope, nn.Linear(256, 1), nn.Sigmoid())
    for _ in range(3):
        generator.model(torch.randn(16, 100))  # moves the running statistics
    torch.save(generator.state_dict(), "generator.pth")
    torch.save(discriminator.state_dict(), "discriminator.pth")
    yield generator.eval(), discriminator.eval()
    MODELS.pop("PlainGAN", None)


@torch.no_grad()
def test_its_pictures_and_its_judgement_are_those_of_the_authors_modules(author):
    shown = runpy.run_path(str(EXAMPLE))
    z = torch.stack([torch.randn(100, generator=torch.Generator().manual_seed(seed)) for seed in range(16)])
    expected = author[0].model(z).view(16, 1, 28, 28)
    assert expected.std(dim=0).mean() > 1e-3
    torch.testing.assert_close(shown["x"], expected)
    loaded = genart_hub.from_pretrained("runs/plain-gan")
    torch.testing.assert_close(loaded.discriminate(expected).sigmoid(), author[1].model(expected.flatten(1))[:, 0])


@pytest.mark.parametrize("change", ["missing", "too many"])
def test_a_state_dict_that_does_not_fit_is_refused(author, change):
    state = author[0].state_dict()
    state.pop("model.0.bias") if change == "missing" else state.update({"model.12.weight": torch.zeros(1)})
    torch.save(state, "generator.pth")
    with pytest.raises(RuntimeError, match=r'"0\.bias"' if change == "missing" else r'"12\.weight"'):
        runpy.run_path(str(EXAMPLE))
    assert not Path("runs").exists()


def test_a_file_that_holds_code_runs_none_of_it(author):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (Path("mark"),)

    torch.save(Hostile(), "generator.pth")
    with pytest.raises(pickle.UnpicklingError):
        runpy.run_path(str(EXAMPLE))
    assert not Path("mark").exists()


@pytest.mark.skipif(not (HUB / "README.md").is_file(), reason="an installed package has no README of its rooms")
@pytest.mark.parametrize(("name", "heading"), [("README.md", "## A plain PyTorch model"), ("README.zh-CN.md", "## 普通的 PyTorch 模型")])
def test_the_readmes_show_the_lines_that_are_tested(name, heading):
    section = (HUB / name).read_text(encoding="utf-8").split(f"\n{heading}\n")[1].split("\n## ")[0]
    assert section.split("```python\n")[1].split("```")[0] == EXAMPLE.read_text(encoding="utf-8")
