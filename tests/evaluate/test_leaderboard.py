"""The leaderboard: one protocol for all, rows that are kept, an order by what one can name first, ranks that two networks do not share."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from own_models import PixelDiffusion, WordPainter
from PIL import Image
from refusals import code_of

import genart_hub
from genart_hub import cli, evaluate
from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.evaluate import leaderboard, plot, prompts, standings
from genart_hub.evaluate.features import pick_features
from genart_hub.evaluate.leaderboard import Protocol, Rows, rows_of
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE

NAMES, STYLES, GROUPS = ("bear", "cat", "dog", "fox"), ("blob", "noto", "wash"), ("big", "small")
LARGER = {"image_size": 16, "channels": 3}


def captioned(copies=4, seed=0) -> Pictures:
    """Each thing in each style a few times, in a group of two, with captions in two languages."""
    rows = [(name, style) for _ in range(copies) for name in NAMES for style in STYLES]
    columns = {"concept": [name for name, _ in rows], "style": [style for _, style in rows]}
    columns |= {"text": [name for name, _ in rows], "text_zh": [f"zh {name}" for name, _ in rows]}
    levels = torch.randint(0, 256, (len(rows), 3, 16, 16), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    labels = torch.tensor([NAMES.index(name) % 2 for name, _ in rows])
    return Pictures(levels, labels, Path("/somewhere/things/train.parquet"), GROUPS, columns=columns)


def saved(model, folder: Path, command: str | None = None, **about):
    """A model as it is loaded from a folder, beside what its training noted."""
    model.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps({"command": command, "seconds": 120} | about))
    return genart_hub.from_pretrained(folder)


@pytest.fixture(autouse=True)
def own_classes(monkeypatch):
    """Classes of one's own, which other tests may have taken out again."""
    for cls in (PixelDiffusion, WordPainter):
        monkeypatch.setitem(genart_hub.MODELS, cls.__name__, cls)


@pytest.fixture
def eyes(tiny, tmp_path):
    """Two classifiers of the four things, which held out other variants."""

    def make(name: str, seed: int, hold_out: str):
        torch.manual_seed(seed)
        eye = Classifier(**LARGER, num_classes=0, class_names=("fox", "cat", "bear", "dog"), width=2, feature_dim=5).eval()
        with torch.no_grad():
            eye.head.bias.copy_(-eye.head.weight.mul_(1000) @ eye.features(captioned().images()).mean(dim=0))
        return saved(eye, tmp_path / name, f"genart-hub train classifier --data x.parquet --label concept --hold-out {hold_out}")

    return make("eye", 0, "style"), make("eye-b", 1, "style+1")


@pytest.fixture
def protocol(eyes, tiny):
    return Protocol(captioned(), captioned(1, seed=5), eyes, tiny(VAE, **LARGER), count=16, prompts=4)


@pytest.fixture
def painter(tmp_path):
    torch.manual_seed(0)
    return saved(WordPainter(**LARGER), tmp_path / "painter")


@pytest.fixture
def gan(tiny, tmp_path):
    return saved(tiny(GAN, **LARGER), tmp_path / "gan")


@pytest.fixture
def diffusion(tmp_path):
    torch.manual_seed(0)
    return saved(PixelDiffusion(**LARGER, class_names=GROUPS), tmp_path / "diffusion")


# ---- a row ----


def test_a_row_has_the_figures_that_evaluate_gives_under_the_same_protocol(protocol, painter):
    row = protocol.measure(painter)
    for network, hold_out in zip(protocol.networks, ("style", "style+1"), strict=True):
        expected = prompts.evaluate(
            painter, protocol.training, network, captions=("text", "text_zh"), label="concept", hold_out=hold_out, prompts=4, count=16
        )
        found = row["measures"][leaderboard.network_name(network)]
        for measure in expected:
            key = f"{measure.metric}.{measure.name.split('(')[-1][:-1]}" if measure.metric.startswith("prompt") else measure.metric
            assert found[key]["value"] == pytest.approx(measure.value, rel=1e-5, abs=1e-6), key
            assert found[key]["real"] == pytest.approx(measure.real, rel=1e-5, abs=1e-6), key
        assert {"near_copies_rmse", "near_copies_features", "near_copies_prompted"} <= found.keys()


def test_a_model_with_classes_is_compared_class_by_class_and_asked_for_each_in_turn(protocol, diffusion, monkeypatch):
    asked, sample = [], PixelDiffusion.sample

    def noting(self, n=1, seed=0, *, label=None, num_steps=5):
        asked.append((n, seed, label, num_steps))
        return sample(self, n, seed, label=label, num_steps=num_steps)

    monkeypatch.setattr(PixelDiffusion, "sample", noting)
    row = protocol.measure(diffusion)
    half = leaderboard.halves(protocol.training, 16, 0)[0]
    assert asked[:2] == [(4, 0, [0, 1, 0, 1], 5), (16, 0, half.labels.tolist(), 5)]
    assert row["manner"] == {"num_steps": 5}
    for network in protocol.networks:
        measures = evaluate.evaluate(diffusion, protocol.training, network, samples=4, count=16, manner={"num_steps": 5})
        expected = {measure.metric: measure.value for measure in measures}
        found = row["measures"][leaderboard.network_name(network)]
        for key in ("label_accuracy", "frechet", "kid", "coverage", "precision", "recall"):
            assert found[key]["value"] == pytest.approx(expected[key], rel=1e-5, abs=1e-6)


def test_classes_are_found_in_whichever_column_has_them(protocol, tmp_path):
    torch.manual_seed(0)
    model = saved(PixelDiffusion(**LARGER, class_names=NAMES), tmp_path / "by-concept")
    named = protocol._named(model)
    assert [NAMES[k] for k in named.labels] == protocol.training.columns["concept"]
    assert "label_accuracy" in protocol.measure(model)["measures"][leaderboard.network_name(protocol.networks[0])]


def test_a_model_of_other_classes_and_one_without_get_a_row_without_what_they_were_asked_for(protocol, gan, tmp_path):
    other = saved(PixelDiffusion(**LARGER, class_names=("ship", "plane")), tmp_path / "other")
    for model in (gan, other):
        for of in protocol.measure(model)["measures"].values():
            assert "coverage" in of
            assert not [key for key in of if "accuracy" in key]


def test_a_network_that_held_nothing_out_does_not_judge_words(protocol, eyes, painter, tmp_path):
    third = saved(Classifier(**LARGER, num_classes=3, width=2, feature_dim=5), tmp_path / "third", "genart-hub train classifier")
    both = replace(protocol, networks=(eyes[0], third))
    first, second = both.measure(painter)["measures"].values()
    assert "prompt_accuracy.text" in first
    assert "prompt_accuracy.text" not in second
    assert "coverage" in second


def test_costs_are_counted_and_the_best_of_the_times_is_kept(protocol, diffusion, monkeypatch):
    ticks = iter([0, 9, 0, 0.5, 0, 0.25, 0, 1, 0, 9, 0, 1.6, 0, 3.2, 0, 3.2])  # alone: 0.25 s; sixteen: 1.6 s
    monkeypatch.setattr(leaderboard, "costs", lambda model, **request: type("Costs", (), {"multiply_adds": 7}))
    monkeypatch.setattr("genart_hub.evaluate.costs.time.perf_counter", lambda: next(ticks))
    about = leaderboard.costs_of(diffusion, {"num_steps": 2})
    assert (about["ms_1"], about["ms_16"]) == pytest.approx((250, 100))
    assert (about["num_parameters"], about["training_seconds"]) == (diffusion.num_parameters, 120)
    assert about["bytes"] == diffusion.weight_files[0].stat().st_size


def test_training_in_stages_is_added_up(painter, tmp_path):
    stages = {"autoencoder": {"seconds": 100}, "denoiser": {"seconds": 20}}
    (tmp_path / "painter" / "training.json").write_text(json.dumps({"stages": stages}))
    assert leaderboard.training_seconds(painter) == 120
    (tmp_path / "painter" / "training.json").unlink()
    assert leaderboard.training_seconds(painter) is None


# ---- rows that are kept ----


def test_a_finished_row_is_measured_no_second_time(protocol, gan, tmp_path, monkeypatch):
    rows = Rows(tmp_path / "rows")
    first = list(rows_of([("gan", gan)], protocol, rows))
    monkeypatch.setattr(GAN, "sample", lambda *_, **__: pytest.fail("it was sampled again"))
    assert list(rows_of([("another title", gan)], protocol, rows)) == [first[0] | {"model": "another title"}]


@pytest.mark.parametrize("change", [{"count": 8}, {"prompts": 3}, {"seed": 1}, {"captions": ("text",)}])
def test_another_protocol_has_rows_of_its_own(protocol, painter, change):
    assert protocol.key(painter) != replace(protocol, **change).key(painter)


def test_other_weights_have_a_row_of_their_own_and_weights_of_no_file_have_none(protocol, gan, tiny, tmp_path):
    with torch.no_grad():
        changed = tiny(GAN, **LARGER)
        next(changed.parameters()).add_(1)
    assert protocol.key(saved(changed, tmp_path / "changed")) != protocol.key(gan)
    assert protocol.key(tiny(GAN, **LARGER)) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"model": "x"}'])
def test_a_damaged_row_is_measured_again(protocol, gan, tmp_path, damage):
    rows = Rows(tmp_path / "rows")
    (row,) = rows_of([("gan", gan)], protocol, rows)
    file = tmp_path / "rows" / f"{protocol.key(gan)}.json"
    file.write_text(damage)
    (again,) = rows_of([("gan", gan)], protocol, rows)
    assert again["measures"] == row["measures"]
    assert json.loads(file.read_text())["measures"] == row["measures"]


def test_what_was_finished_before_a_cut_is_kept(protocol, gan, painter, tmp_path, monkeypatch):
    rows = Rows(tmp_path / "rows")
    monkeypatch.setattr(WordPainter, "sample", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        list(rows_of([("gan", gan), ("painter", painter)], protocol, rows))
    assert [file.stem for file in (tmp_path / "rows").iterdir() if not file.name.startswith(".")] == [protocol.key(gan)]


def test_another_machine_takes_its_own_times_and_leaves_the_figures(protocol, gan, tmp_path, monkeypatch):
    rows = Rows(tmp_path / "rows")
    (row,) = rows_of([("gan", gan)], protocol, rows)
    monkeypatch.setattr(Protocol, "measure", lambda *_, **__: pytest.fail("it was measured again"))
    monkeypatch.setattr(leaderboard, "seconds_of", lambda *_, **__: [0.5])
    assert list(rows_of([("gan", gan)], protocol, rows)) == [row]
    assert next(rows_of([("gan", gan)], protocol, rows, retime=True))["costs"]["ms_1"] == 500
    monkeypatch.setattr(leaderboard, "machine_of", lambda model: "abacus, 8 threads")
    (again,) = rows_of([("gan", gan)], protocol, rows)
    assert again["measures"] == row["measures"]
    assert again["costs"]["machine"] == "abacus, 8 threads" != row["costs"]["machine"]
    assert rows.get(protocol.key(gan)) == again


# ---- the order ----


def entry(model, top_5=None, coverage=0.5, checked_top_5=None, checked_coverage=None):
    """A row with the figures of two networks."""
    measures = {}
    for network, shares, covered in (("a", top_5, coverage), ("b", checked_top_5 or top_5, checked_coverage or coverage)):
        of = {"coverage": {"value": covered, "error": 0.01, "real": 0.97, "real_error": 0.004}}
        for column, share in (shares or {}).items():
            of[f"prompt_top_5_accuracy.{column}"] = {"value": share, "error": 0.02, "real": 0.6, "real_error": 0.02}
        measures[network] = of
    costs = {
        "num_parameters": 2e6,
        "bytes": 8e6,
        "multiply_adds": 3e7,
        "ms_1": 2.0,
        "ms_16": 0.5,
        "machine": "cpu",
        "training_seconds": 600,
    }
    return {"model": model, "measures": measures, "costs": costs}


def board(*rows):
    about = {"captions": ["text", "text_zh"], "count": 3000, "seed": 0, "prompts": 500, "training": "things/train.parquet"}
    return {"protocol": about, "networks": ["a", "b"], "rows": list(rows)}


def test_what_one_can_name_comes_first_and_models_without_words_follow_by_coverage():
    rows = [
        entry("blurred", coverage=0.9),
        entry("blobs", coverage=0.95),
        entry("english", {"text": 0.7, "text_zh": 0.1}, coverage=0.1),
        entry("both", {"text": 0.5, "text_zh": 0.5}, coverage=0.2),
    ]
    assert [row["model"] for row in standings.order(rows, "a")] == ["both", "english", "blobs", "blurred"]


def test_ranks_that_the_networks_do_not_share_are_marked_and_no_others():
    rows = [
        entry("x", {"text": 0.8}, coverage=0.9, checked_top_5={"text": 0.6}),
        entry("y", {"text": 0.7}, coverage=0.8),
        entry("z", {"text": 0.1}, coverage=0.7),
    ]
    head, *lines, real = standings.quality(board(*rows), "a", errors=False)
    assert head == ["rank", "model", "asked for, top 5, English", "coverage"]
    assert lines == [["1 ≠ 2", "x", "0.800 ≠", "0.900"], ["2 ≠ 1", "y", "0.700 ≠", "0.800"], ["3", "z", "0.100", "0.700"]]
    assert real == ["", "*real pictures*", "0.600", "0.9700"]


def test_what_the_network_makes_of_pictures_that_it_saw_stands_beside_what_it_did_not_see():
    row = entry("x", {"text": 0.8})
    row["measures"]["a"]["prompt_top_5_accuracy.text"]["copied"] = 1.0
    assert standings.quality(board(row), "a", errors=False)[-2:] == [
        ["", "*real pictures*", "0.600", "0.9700"],
        ["", "*pictures seen in training*", "1", "–"],
    ]


def test_a_smaller_distance_ranks_higher_and_equal_figures_share_a_rank():
    rows = [entry("x"), entry("y"), entry("z")]
    for row, value in zip(rows, (3.0, 1.0, 3.0), strict=True):
        row["measures"]["a"]["frechet"] = {"value": value}
    assert standings.ranks(rows, "a", standings.Column("frechet", ("", ""), "low")) == {"x": 2, "y": 1, "z": 2}


def test_one_network_alone_marks_nothing():
    alone = board(entry("x", {"text": 0.8}), entry("y", {"text": 0.7})) | {"networks": ["a"]}
    assert "≠" not in standings.markdown(alone)
    assert "no second network checks it" in standings.note(alone)


def test_the_tables_of_both_languages_have_the_same_figures():
    of = board(entry("x", {"text": 0.8, "text_zh": 0.7}), entry("y", coverage=0.3))
    english, chinese = (standings.markdown(of, lang).splitlines() for lang in (0, 1))
    assert [line for line in english if line.startswith("| 1") or line.startswith("| x")] == [
        line for line in chinese if line.startswith("| 1") or line.startswith("| x")
    ]
    assert [line.count("|") for line in english] == [line.count("|") for line in chinese]
    assert Counter(re.findall(r"\d+", "".join(english))) == Counter(re.findall(r"\d+", "".join(chinese)))
    assert "| 1 | x | 0.800 ± 0.020 | 0.700 ± 0.020 | 0.500 ± 0.010 |" in english
    assert "| x | 2 | 8 | 30 | 2 | 0.5 | 10 |" in english


def test_the_terminals_columns_stand_below_their_heads():
    lines = standings.terminal(board(entry("a-long-name", {"text": 0.8}), entry("y", coverage=0.3))).splitlines()
    row = next(line for line in lines if "a-long-name" in line)
    head = lines[lines.index(row) - 1]
    assert row.index("0.800") + 5 == head.index("English") + len("English")
    assert max(map(len, lines[:6])) <= 120


def test_the_plot_puts_a_dot_at_each_models_time_and_quality():
    x, y = entry("x", {"text": 0.5}, coverage=0.25), entry("y", coverage=0.75)
    x["costs"]["ms_1"], y["costs"]["ms_1"] = 100.0, 1.0
    picture = plot.plot(board(x, y))
    assert picture.size == (2 * plot.WIDTH, plot.HEIGHT)
    inner = plot.HEIGHT - plot.TOP - plot.BOTTOM
    right = plot.WIDTH - plot.MARGIN
    for at, colour in (
        ((right, plot.HEIGHT - plot.BOTTOM - inner * 0.5), plot.COLOURS[0]),
        ((plot.WIDTH + right, plot.HEIGHT - plot.BOTTOM - inner * 0.25), plot.COLOURS[0]),
        ((plot.WIDTH + plot.MARGIN, plot.HEIGHT - plot.BOTTOM - inner * 0.75), plot.COLOURS[1]),
    ):
        assert picture.getpixel(tuple(map(round, at))) == colour


def test_names_of_dots_close_together_cover_neither_each_other_nor_a_dot():
    dots = [(100.0, 100.0), (104.0, 103.0), (98.0, 110.0)]
    taken = [(a - plot.DOT, b - plot.DOT, a + plot.DOT, b + plot.DOT) for a, b in dots]
    for dot in dots:
        place = plot._place_of(dot, 60, taken)
        assert sum(plot._shared(place, other) for other in taken) == 0
        taken.append(place)


# ---- what has no place on it ----


def test_models_of_another_size_or_of_other_channels_are_refused(protocol, tiny):
    assert protocol.fits(tiny(GAN, image_size=32, channels=3))
    for size, channels in ((64, 3), (4, 3), (16, 1)):
        assert code_of(partial(protocol.fits, tiny(GAN, image_size=size, channels=channels))) == "other_board_size"
    assert code_of(lambda: protocol.fits(protocol.networks[0])) == "no_image_model"


def test_a_model_that_reads_words_needs_pictures_with_captions(protocol, painter):
    wordless = replace(protocol, training=replace(protocol.training, columns={"style": protocol.training.columns["style"]}))
    assert code_of(lambda: wordless.fits(painter)) == "no_column"


def test_a_feature_network_of_other_channels_and_none_at_all_are_refused(protocol, tiny):
    assert code_of(lambda: replace(protocol, networks=(tiny(Classifier),))) == "other_eye"
    assert code_of(lambda: replace(protocol, networks=())) == "no_features"
    assert code_of(lambda: replace(protocol, count=3)) == "too_small"


def test_a_model_whose_pixels_are_no_numbers_is_told_by_its_name(protocol, tiny):
    broken = tiny(GAN, **LARGER)
    with torch.no_grad():
        next(broken.generator.parameters()).fill_(torch.nan)
    with pytest.raises(GenartError, match="GAN makes pictures whose pixels are no numbers"):
        protocol.measure(broken)


def test_the_bundled_network_that_measures_by_itself_is_still_the_first():
    networks = [name for name in genart_hub.bundled("features") if "emoji64" in name]
    assert pick_features(genart_hub.from_pretrained("dcgan-emoji")).source.name == "features-emoji64" == networks[0]


# ---- the command ----


@pytest.fixture
def things(tmp_path, protocol):
    """A folder with the training pictures as a parquet file, and unseen ones beside."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    (tmp_path / "things").mkdir()
    for name, pictures in (("train", protocol.training), ("test", protocol.unseen)):
        contents = []
        for picture in pictures.pictures:
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(content := io.BytesIO(), format="PNG")
            contents.append({"bytes": content.getvalue(), "path": None})
        table = {"image": contents, "label": [GROUPS[k] for k in pictures.labels]} | pictures.columns
        writer.write_table(pyarrow.table(table), tmp_path / "things" / f"{name}.parquet")
    return tmp_path / "things"


@pytest.fixture
def command(things, tmp_path, monkeypatch, tiny, gan, painter):
    """command(*words): the leaderboard of two models in folders."""
    monkeypatch.setattr(leaderboard, "pick_autoencoder", lambda pictures: tiny(VAE, **LARGER))
    folders = [str(tmp_path / name) for name in ("gan", "painter")]
    few = [f"--data={things}", "--count=16", "--prompts=4", f"--features={tmp_path / 'eye'}", f"--features={tmp_path / 'eye-b'}"]
    return lambda *words: cli.main(["leaderboard", *folders, *few, *words])


def test_the_command_prints_a_table_and_writes_the_numbers_and_a_plot(command, tmp_path, capsys):
    json_file, png = tmp_path / "board.json", tmp_path / "board.png"
    assert command(f"--json={json_file}", f"--plot={png}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line[:1] in "12"][:2] in ([["1", "painter"], ["2", "gan"]],)
    of = json.loads(json_file.read_text())
    assert [row["model"] for row in of["rows"]] == ["painter", "gan"]
    assert (of["protocol"]["count"], of["protocol"]["unseen"]) == (16, "things/test.parquet")
    assert str(tmp_path) not in json.dumps(of)
    with Image.open(png) as picture:
        assert picture.size == (2 * plot.WIDTH, plot.HEIGHT)
    assert command("--markdown") == 0
    assert capsys.readouterr().out.strip() == standings.markdown(of)
    assert command("--json=-") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == of["rows"]


def test_a_cut_command_says_what_is_kept_and_the_same_command_goes_on(command, capsys, monkeypatch):
    sample = WordPainter.sample
    monkeypatch.setattr(WordPainter, "sample", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert command() == 130
    assert "1 of 2 rows are finished and kept: the same command goes on from there." in capsys.readouterr().err
    monkeypatch.setattr(WordPainter, "sample", sample)
    monkeypatch.setattr(GAN, "sample", lambda *_, **__: pytest.fail("it was sampled again"))
    assert command() == 0


def test_models_of_two_datasets_do_not_share_a_leaderboard(capsys):
    assert cli.main(["leaderboard", "gan-mnist", "dcgan-emoji"]) == 1
    assert "dcgan-emoji draws pictures of emoji64, and this is the leaderboard of mnist." in capsys.readouterr().err
    assert cli.main(["leaderboard", "gan-mnist", "--dataset", "emoji64"]) == 1
    assert "rank it with --dataset mnist" in capsys.readouterr().err


def test_what_is_missing_is_told_before_anything_is_measured(command, things, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Protocol, "measure", lambda *_, **__: pytest.fail("it was measured"))
    assert cli.main(["leaderboard"]) == 1
    assert "There are no pictures at emoji64/train.parquet. Give the folder" in capsys.readouterr().err
    assert command("--plot=board.jpg") == 1
    assert "board.jpg: pictures are written as PNG" in capsys.readouterr().err
    assert command("--features=gan-mnist") == 1
    assert "gan-mnist is no feature network" in capsys.readouterr().err
    (tmp_path / "gan" / "training.json").write_text(json.dumps({"file_sha256": "0" * 64}))
    assert command() == 1
    assert "gan was trained on another file than things/train.parquet" in capsys.readouterr().err


@pytest.mark.slow
def test_several_processes_share_the_models_and_the_first_prints_all(things, gan, eyes, tmp_path):
    pytest.importorskip("accelerate")
    shutil.copytree(tmp_path / "gan", tmp_path / "gan-2")
    shutil.copytree(tmp_path / "gan", tmp_path / "gan-3")
    with torch.no_grad():
        for name in ("gan-2", "gan-3"):
            model = genart_hub.from_pretrained(tmp_path / name)
            next(model.parameters()).add_(0.1)
            model.save_pretrained(tmp_path / name)
    words = [str(tmp_path / name) for name in ("gan", "gan-2", "gan-3")]
    words += [f"--data={things}", "--count=16", "--prompts=4", f"--features={tmp_path / 'eye'}", f"--rows={tmp_path / 'rows'}", "--json=-"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "genart_hub", "leaderboard"]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*launch, *words], capture_output=True, text=True, env=settings, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(row["model"] for row in json.loads(done.stdout)["rows"]) == ["gan", "gan-2", "gan-3"]
