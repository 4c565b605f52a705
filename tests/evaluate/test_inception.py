"""The Inception eye, with a stand-in for the network: what it is shown, and what is said when it cannot be had."""

import sys
from types import ModuleType

import pytest
import torch

from genart_hub import images
from genart_hub.errors import GenartError
from genart_hub.evaluate import inception
from genart_hub.evaluate.inception import Inception


@pytest.fixture
def shown():
    return []


@pytest.fixture
def eye(shown):
    def network(x):
        shown.append(x)
        return x.flatten(2).float().mean(dim=2)

    return Inception(network)


def test_the_network_sees_the_8_bit_levels_that_a_saved_picture_has(eye, shown):
    x = 2.2 * torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 1.1
    eye.features(x)
    expected = torch.stack([torch.tensor(list(picture.tobytes())).view(5, 5, 3).movedim(-1, 0) for picture in images.to_pil(x)])
    assert shown[0].dtype == torch.uint8
    assert torch.equal(shown[0].long(), expected)


def test_grey_pictures_are_shown_in_three_equal_channels(eye, shown):
    eye.features(torch.tensor([-1.0, 0.2, 1.0, 1.0]).view(1, 1, 2, 2))
    assert shown[0].tolist() == [[[[0, 153], [255, 255]]] * 3]


def test_features_come_in_the_pictures_order_from_chunks_of_any_size(eye, shown, monkeypatch):
    monkeypatch.setattr(inception, "CHUNK", 2)
    x = (torch.arange(5.0) / 127.5 - 1).view(5, 1, 1, 1).expand(5, 1, 8, 8)
    assert eye.features(x)[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert [len(each) for each in shown] == [2, 2, 1]


def test_features_of_two_channels_are_refused(eye):
    with pytest.raises(GenartError, match="channels must be one of 1, 3"):
        eye.features(torch.zeros(1, 2, 8, 8))


def test_features_have_no_gradient():
    weight = torch.ones(1, requires_grad=True)
    assert not Inception(lambda x: x.float().flatten(1) * weight).features(torch.zeros(1, 3, 2, 2)).requires_grad


def test_without_torch_fidelity_the_package_is_named_when_a_picture_comes(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    eye = Inception()
    with pytest.raises(GenartError, match="pip install torch-fidelity"):
        eye.features(torch.zeros(1, 3, 8, 8))


@pytest.fixture
def fidelity(monkeypatch, tmp_path):
    """A torch_fidelity whose network is only asked for, and a folder for the weights."""
    pytest.importorskip("torchmetrics")
    import torchmetrics.image.fid

    module = ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.URL_INCEPTION_V3 = "https://example.org/weights-6726825d.pth"
    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(torchmetrics.image.fid, "NoTrainInceptionV3", lambda *arguments, antialias: (*arguments, antialias))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints" / "weights-6726825d.pth"


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("invalid hash value")])
def test_weights_that_cannot_be_fetched_point_to_the_bundled_features(fidelity, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(GenartError, match="features-mnist") as refused:
        Inception().features(torch.zeros(1, 3, 8, 8))
    assert refused.value.code == "no_inception"
    assert str(error) in str(refused.value)


def test_weights_are_fetched_once_and_checked_by_their_hash(fidelity, monkeypatch):
    asked = []

    def fetch(url, file, hash_prefix, progress):
        asked.append((url, hash_prefix))
        fidelity.write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    networks = [inception.load(), inception.load()]
    assert asked == [("https://example.org/weights-6726825d.pth", "6726825d")]
    assert networks == [("inception-v3-compat", ["2048"], str(fidelity), False)] * 2
