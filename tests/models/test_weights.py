"""Every model in weights/ loads, makes the pictures that its golden file holds, and has a card."""

import pytest
import torch
from safetensors.torch import load_file

import genart_hub
from genart_hub import hub

NAMES = genart_hub.bundled() + genart_hub.bundled("features")


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_makes_what_its_golden_file_holds(name):
    model, file = genart_hub.from_pretrained(name), hub.bundled_folder(name) / "golden.safetensors"
    if not file.is_file():
        pytest.fail(f"{name} has no golden.safetensors")
    golden = load_file(file)
    give, take, make = ("x", "logits", model) if model.family == "features" else ("z", "x", model.generate)
    with torch.no_grad():
        made, expected = make(golden[give]), golden[take]
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_has_a_card_and_is_known_by_its_name(name):
    folder, model = hub.bundled_folder(name), genart_hub.from_pretrained(name)
    wanted = ["README.md"] + ["samples.png"] * (model.family != "features")
    assert [file for file in wanted if not (folder / file).is_file()] == []
    assert model.source.name == name


def test_the_weights_stay_within_their_budget():
    files = [file for folder in {hub.bundled_folder(name).parent for name in NAMES} for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 64_000_000
