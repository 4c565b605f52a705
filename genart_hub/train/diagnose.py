"""What the numbers of a run mean, in plain words: the ways in which GANs and VAEs are known to fail."""

from typing import Any

from torch import Tensor

MANY, MORE = 5, 10  # lines of the log, of 100 steps each in a run of 2,000 or more
EARLY = 500  # steps in which made pictures still look alike, and a latent carries nothing yet

SENTENCES = {
    "discriminator_won": "The discriminator has won: it tells all made pictures from real ones (accuracy {d_accuracy:.2f}), "
    "so the generator learns little. Raise the R1 penalty (--r1), lower the learning rate, or add pictures or augmentation (--augment).",
    "discriminator_ahead": "The discriminator is at accuracy {d_accuracy:.2f} for long: it tells all made pictures from real ones, and "
    "the generator's loss is {g_loss:.2f}. Where the samples get no better, raise the R1 penalty (--r1), lower the learning rate, or add "
    "pictures or augmentation (--augment).",
    "mode_collapse": "Mode collapse: the made pictures differ from one another by {spread:.0%} of what real ones do. "
    "Raise the R1 penalty (--r1), lower the learning rate, or go back to an earlier checkpoint.",
    "posterior_collapse": "Posterior collapse: the latent carries {kl:.2f} nats, so the decoder ignores it. "
    "Lower --beta or the learning rate.",
}


def diagnose(history: list[dict[str, Any]], num_steps: int | None = None) -> set[str]:
    """The codes of SENTENCES that the last lines of a log show. history: lines as they stand in metrics.jsonl.

    num_steps: of the whole run; nothing is said before half of it where that is shorter than EARLY.
    """
    lines = [line for line in history if "d_loss" in line or "kl" in line]
    last, found = lines[-MANY:], set()
    if len(last) == MANY and last[-1]["step"] >= (EARLY if num_steps is None else min(EARLY, num_steps // 2)):
        if all(line.get("d_accuracy", 0) > 0.99 and _without_gradient(line.get("g_loss", 1)) for line in last):
            found.add("discriminator_won")
        elif len(lines) >= MORE and all(line.get("d_accuracy", 0) > 0.99 for line in lines[-MORE:]):
            found.add("discriminator_ahead")
        if all(line.get("kl", 1) < 0.5 for line in last):
            found.add("posterior_collapse")
    spreads = [line["spread"] for line in history if "spread" in line and line["step"] >= EARLY][-2:]
    if len(spreads) == 2 and max(spreads) < 0.15 and any("d_loss" in line for line in last):
        found.add("mode_collapse")
    return found


def _without_gradient(g_loss: float) -> bool:
    """Whether no made picture fools the discriminator. The minimax loss, at most 0, tells it by rising to 0; the others by their size."""
    return g_loss > 4 or -0.02 < g_loss <= 0


def explain(code: str, history: list[dict[str, Any]]) -> str:
    """The sentence of a code, with the last numbers."""
    values: dict[str, Any] = {}
    for line in history:
        values |= line
    return SENTENCES[code].format(**values)


def spread(x_hat: Tensor, x: Tensor) -> float:
    """How much made pictures differ from one another, relative to real ones: the ratio of the summed variances. (N, C, H, W) each."""
    return (x_hat.var(dim=0).sum() / x.var(dim=0).sum().clamp(min=1e-12)).item()
