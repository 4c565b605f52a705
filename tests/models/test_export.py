"""Every bundled model goes as it is through torch.jit.trace, torch.compile and torch.onnx.export, and gives what it gave before.

Of a pipeline its parts do, and of a model of tokens its transformer.
"""

import io
import os
import shutil

import pytest
import torch
from torch import Tensor, nn

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN

PIPELINE = "tiny-sd-emoji"
PARTS = [f"{PIPELINE} {part}" for part in ("text_encoder", "unet", "decoder")]
slow = pytest.mark.slow
CASES = [*(name for name in genart_hub.list_models() if name != PIPELINE), *(pytest.param(part, marks=slow) for part in PARTS)]
COMPILER = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`torch\.jit\.:DeprecationWarning"),  # on its way out, and still what many deploy with
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # shapes are compared in Python, here, in torch and in diffusers
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec:FutureWarning"),  # torch.onnx of torch.export
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # tracing asks transformers for it
    pytest.mark.filterwarnings("ignore:# The axis name. batch will not be used:UserWarning"),  # latents and labels share it
]


class Case:
    """A module, and inputs of n pictures for it."""

    def __init__(self, name: str):
        name, _, part = name.partition(" ")
        self.model, self.part = genart_hub.from_pretrained(name), part
        if part:
            pipeline = self.model.pipeline
            self.module = pipeline.vae.decoder if part == "decoder" else getattr(pipeline, part)
        else:
            self.module = self.model.transformer if self.model.family == "tokens" else self.model
        self.module.requires_grad_(False)

    def inputs(self, n: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(n)
        if self.part:
            config = self.model.pipeline.unet.config
            latents = torch.randn(n, config.in_channels, config.sample_size, config.sample_size, generator=generator)
            tokens = torch.randint(self.model.pipeline.tokenizer.vocab_size, (n, 32), generator=generator)
            states = torch.randn(n, 32, config.cross_attention_dim, generator=generator)
            return {"text_encoder": (tokens,), "unet": (latents, torch.arange(n) * 100, states), "decoder": (latents,)}[self.part]
        if self.model.family in ("text-vae", "text-gan"):
            return self.model.latents(n, seed=5), torch.randn(n, self.model.words.width, generator=generator)
        if self.model.family == "tokens":
            tokens = torch.randint(self.model.num_codes + 1, (n, self.model.side, self.model.side), generator=generator)
            states = torch.randn(n, 8, self.model.words.width, generator=generator)
            return tokens, states, torch.ones(n, 8, dtype=torch.bool), states.mean(dim=1)
        if self.model.family == "ddpm":
            x = torch.randn(n, self.model.channels, self.model.image_size, self.model.image_size, generator=generator)
            return x, torch.arange(n) * 100.0, torch.arange(n) % self.model.num_classes
        if self.model.family == "gan":
            z, classes = self.model.latents(n, seed=5), self.model.num_classes
            return (z, torch.arange(n) % classes) if classes else (z,)
        return (torch.rand(n, self.model.channels, self.model.image_size, self.model.image_size, generator=generator) * 2 - 1,)

    def agrees(self, other, n: int) -> None:
        inputs = self.inputs(n)
        torch.testing.assert_close(tensors(other(*inputs)), tensors(self.module(*inputs)), rtol=0, atol=1e-4)


def tensors(answer) -> list[Tensor]:
    """A model's answer as a list, whether it is a tensor, several, or named ones."""
    if isinstance(answer, Tensor):
        return [answer]
    return list(answer.values() if isinstance(answer, dict) else answer)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_bundled_model_is_traced(name):
    case = Case(name)
    traced = torch.jit.trace(case.module, case.inputs(2), strict=False)
    for n in (2, 3):
        case.agrees(traced, n)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_bundled_model_is_compiled_in_one_graph(name):
    case = Case(name)
    case.agrees(torch.compile(case.module, backend="aot_eager", fullgraph=True), 3)


@slow
@pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
def test_a_bundled_model_is_compiled_to_machine_code():
    case = Case("gan-mnist")
    case.agrees(torch.compile(case.module, fullgraph=True), 3)


@slow
@pytest.mark.parametrize("name", CASES)
def test_an_exported_graph_gives_in_onnxruntime_what_torch_gives_at_any_size_of_batch(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    case, file = Case(name), io.BytesIO()
    batch = torch.export.Dim("batch", max=63)  # diffusers goes another way from 64 on
    inputs = case.inputs(2)
    torch.onnx.export(case.module, inputs, dynamo=True, dynamic_shapes=tuple({0: batch} for _ in inputs), verbose=False).save(file)
    session = onnxruntime.InferenceSession(file.getvalue())

    def run(*inputs: Tensor) -> list[Tensor]:
        names = [one.name for one in session.get_inputs()]
        return [torch.from_numpy(one) for one in session.run(None, {k: x.numpy() for k, x in zip(names, inputs, strict=True)})]

    for n in (1, 2, 5):
        case.agrees(run, n)


@pytest.mark.parametrize("cls", [DCGAN, ConvVAE])
def test_the_classes_of_a_model_stay_an_input_of_its_graph(cls, tiny):
    model = tiny(cls, width=4).requires_grad_(False)
    for name, weight in model.named_parameters():
        if "embed" in name or "gain" in name:
            nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    first = model.latents(3) if cls is DCGAN else torch.zeros(3, 1, 8, 8)
    program = torch.export.export(model, (first,), {"label": torch.tensor([0, 0, 0])}).module()
    label = torch.tensor([2, 0, 1])
    torch.testing.assert_close(tensors(program(first, label=label)), tensors(model(first, label=label)))
    assert not torch.allclose(tensors(program(first, label=label))[0], tensors(program(first, label=label.flip(0)))[0])


@pytest.mark.parametrize("cls", [genart_hub.MODELS[name] for name in ("GAN", "DCGAN")])
def test_a_gan_called_on_latents_is_its_generator(cls, tiny):
    model = tiny(cls)
    z, given = model.latents(3), (torch.tensor([2, 0, 1]),) if model.num_classes else ()
    assert torch.equal(model(z, *given), model.generate(z, *given))


@pytest.mark.parametrize("cls", [genart_hub.MODELS[name] for name in ("VAE", "ConvVAE")])
def test_a_vae_called_without_noise_goes_through_the_mean_when_it_does_not_train(cls, tiny):
    model, x = tiny(cls, num_classes=0), torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    p, mu, logvar = model(x)
    assert torch.equal(p, model.decode(mu))
    torch.testing.assert_close((mu, logvar), model.encode(x))
    torch.testing.assert_close(model(x, eps=torch.zeros(3, 4))[0], p)
    with pytest.raises(GenartError, match=f"{cls.__name__}: pass generator="):
        model.train()(x)
