"""The training that a reader steers: whose step it is, what it says of itself, whose it is, and what it learns from."""

import io
import json
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from refusals import code_of

from genart_hub.ui import live, texts
from genart_hub.ui.live import KINDS, Knobs, Live, Owner


@pytest.fixture
def gan():
    training = Live("GAN", live.digits()[:128])
    yield training
    training.close()


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize(("move", "learns"), [("both", "gd"), ("discriminator", "d"), ("generator", "g")])
def test_a_step_moves_those_that_it_says(gan, move, learns):
    before = {"g": weights(gan.model.generator), "d": weights(gan.model.discriminator)}
    gan.knobs = Knobs(move=move)
    gan.advance(0)
    after = {"g": weights(gan.model.generator), "d": weights(gan.model.discriminator)}
    assert {name for name in before if not torch.equal(before[name], after[name])} == set(learns)
    assert gan.done == 1


def test_a_discriminator_that_is_to_be_too_strong_has_four_steps_alone_of_five(gan):
    gan.knobs, moved = Knobs(strong=True), []
    for _ in range(5):
        before = weights(gan.model.generator)
        gan.advance(0)
        moved.append(not torch.equal(before, weights(gan.model.generator)))
    assert moved == [True, False, False, False, False]


def test_learning_rates_are_taken_while_it_learns(gan):
    gan.knobs = Knobs(d_rate=0.0, g_rate=0.003)
    before = weights(gan.model.discriminator)
    gan.advance(0)
    assert torch.equal(before, weights(gan.model.discriminator))
    assert [optimizer.param_groups[0]["lr"] for optimizer in gan.learning[1]] == [0.003, 0.0]


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 10, -1, "much"])
def test_a_learning_rate_that_is_none_is_refused(rate):
    assert code_of(lambda: Knobs(d_rate=rate).checked())
    assert code_of(lambda: Knobs(g_rate=rate).checked())


def test_the_same_seed_gives_the_same_training_whatever_was_drawn_before(gan):
    torch.rand(7)
    other = Live("GAN", live.digits()[:128])
    for training in (gan, other):
        training.advance(0)
        training.advance(0)
    assert torch.equal(weights(gan.model), weights(other.model))
    other.close()


def test_a_training_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    Live("VAE", live.digits()[:64]).close()
    assert torch.equal(torch.rand(1), wanted)


def test_a_broken_network_ends_with_a_sentence(gan):
    with torch.no_grad():
        next(gan.model.generator.parameters()).fill_(float("nan"))
    assert code_of(lambda: gan.advance(0)) == "live_diverged"


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_tells_pictures_curves_and_bars(kind):
    training = Live(kind, live.digits()[:128])
    value, meaning = training.look()
    assert meaning == "live_noise"
    training.advance(0)
    told = json.loads(training.look()[0])
    assert told["sheet"].startswith("data:image/png;base64,")
    assert (told["pictures"], told["live"], told["steps"]) == (16, True, [1])
    assert all(len(values) == 1 for values in told["curves"].values())
    assert all(len(moments) == 1 for moments in told["bars"].values())
    training.close()


def bars(real, made):
    """Answers of D, each a pile in one bar."""
    return {name: [256.0 * (k == bar) for k in range(live.BINS)] for name, bar in (("real", real), ("made", made))}


@pytest.mark.parametrize(
    ("alike", "real", "made", "meaning"),
    [(False, 19, 0, "live_ahead"), (False, 9, 9, "live_even"), (True, 12, 8, "live_collapse")],
)
def test_it_says_what_is_going_on(gan, alike, real, made, meaning):
    gan.done = live.EARLY
    x = gan.batches.some(16)
    assert gan.meaning(x[:1].expand(16, -1, -1, -1) if alike else x, bars(real, made)) == meaning


def test_every_meaning_has_its_sentence():
    for meaning in ("live_noise", "live_silent", "live_vae", "live_collapse", "live_ahead", "live_even", "live_game"):
        assert all(texts.say(lang, meaning) for lang in texts.LANGUAGES)


def test_a_long_curve_is_told_more_coarsely(gan, monkeypatch):
    monkeypatch.setattr(live, "MOST_POINTS", 4)
    for _ in range(6):
        gan.advance(0)
    assert len(gan.steps) <= 4
    assert gan.steps[0] == 1
    assert all(len(values) == len(gan.steps) for values in gan.curves.values())


# ---- whose it is ----


def made():
    return SimpleNamespace(closed=False, close=lambda: None)


def test_one_page_trains_at_a_time(monkeypatch):
    monkeypatch.setenv("GENART_TRAINING", "1")
    owner = Owner()
    mine = owner.begin("mine", made)
    assert code_of(lambda: owner.begin("mine", made)) == "live_running"
    assert code_of(lambda: owner.begin("other", made)) == "live_busy"
    owner.end()
    assert owner.begin("mine", made) is mine  # it goes on
    owner.end()
    assert owner.begin("other", made) is not mine
    owner.end()
    assert owner.of("mine") is None


def test_a_page_that_is_closed_leaves_nothing_once_its_step_is_over(monkeypatch):
    monkeypatch.setenv("GENART_TRAINING", "1")
    owner, closed = Owner(), []
    owner.begin("mine", lambda: SimpleNamespace(close=lambda: closed.append(1)))
    owner.leave("other")
    owner.leave("mine")
    assert owner.of("mine") is None
    assert not closed
    owner.end()
    assert closed == [1]
    assert owner.live is None


def test_a_space_trains_only_where_its_host_says_so(monkeypatch):
    monkeypatch.delenv("GENART_TRAINING", raising=False)
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert code_of(lambda: Owner().begin("mine", made)) == "live_off"
    monkeypatch.setenv("GENART_TRAINING", "1")
    assert Owner().begin("mine", made)


# ---- what it learns from ----


def test_the_digits_that_ship_are_of_all_classes():
    digits = live.digits()
    assert digits.shape == (2000, 1, 28, 28)
    assert digits.dtype == torch.uint8
    assert digits.float().mean() / 255 == pytest.approx(0.13, abs=0.02)  # as all of MNIST's
    assert len({one.numpy().tobytes() for one in digits}) == 2000


def picture(k: int, mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (40 + k % 7, 33), k % 200 if mode == "L" else (k % 200, 10, 99)).save(file, "PNG")
    return file.getvalue()


def packed(folder, members, name="some.zip"):
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as file:
        for member, content in members:
            file.writestr(member, content)
    return str(folder / name)


def test_a_zip_is_read_without_being_unpacked(tmp_path):
    members = [(f"../../{k}.png", picture(k)) for k in range(70)] + [("__MACOSX/._1.png", b"x"), ("a.txt", b"no picture"), ("d/", b"")]
    found = live.pictures_of([packed(tmp_path, members)])
    assert found.shape == (70, 1, 28, 28)
    assert [file.name for file in tmp_path.iterdir()] == ["some.zip"]
    assert not (tmp_path.parent.parent / "1.png").exists()


def test_pictures_with_colours_keep_them(tmp_path):
    assert live.pictures_of([packed(tmp_path, [(f"{k}.png", picture(k, "RGB")) for k in range(64)])]).shape == (64, 3, 28, 28)


def test_single_files_are_taken_too(tmp_path):
    for k in range(64):
        (tmp_path / f"{k}.png").write_bytes(picture(k))
    assert live.pictures_of(sorted(map(str, tmp_path.iterdir()))).shape == (64, 1, 28, 28)


def test_too_few_too_many_and_too_large_get_a_sentence(tmp_path):
    few = packed(tmp_path, [(f"{k}.png", picture(k)) for k in range(3)], "few.zip")
    assert code_of(lambda: live.pictures_of([few])) == "live_few"
    many = packed(tmp_path, [(f"{k}.png", b"") for k in range(10_000)], "many.zip")
    assert code_of(lambda: live.pictures_of([many])) == "live_many"
    large = packed(tmp_path, [("0.png", bytes(live.MOST_BYTES + 1))], "large.zip")
    assert code_of(lambda: live.pictures_of([large])) == "live_large"
    bomb = packed(tmp_path, [(f"{k}.png", bytes(live.MOST_BYTES)) for k in range(11)], "bomb.zip")
    assert code_of(lambda: live.pictures_of([bomb])) == "live_large"


def test_a_member_that_is_larger_than_it_says_is_read_no_further(tmp_path):
    file = packed(tmp_path, [("0.png", bytes(1_000_000))], "liar.zip")
    content = bytearray(Path(file).read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the size that is told, in both headers
        start = content.index(mark) + at
        content[start : start + 4] = struct.pack("<I", 100)
    Path(file).write_bytes(content)
    assert code_of(lambda: live.pictures_of([file])) == "live_few"


def test_broken_files_are_left_out(tmp_path):
    members = [(f"{k}.png", picture(k)) for k in range(64)] + [("broken.png", picture(1)[:40])]
    file = packed(tmp_path, members)
    assert len(live.pictures_of([file])) == 64
    damaged = bytearray(Path(file).read_bytes())
    damaged[200:240] = bytes(40)
    Path(file).write_bytes(damaged)
    assert code_of(lambda: live.pictures_of([file])) == "live_few"
