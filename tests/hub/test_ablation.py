"""The ablation of a card: the table of its figures, and the script that measures them."""

import importlib.util
import json
from pathlib import Path

import pytest
from refusals import code_of

from genart_hub.hub.cards.ablation import ablation

SCRIPT = Path(__file__).resolve().parents[1] / "bench" / "ablation.py"
RUNS = [{"measures": {"frechet": value}} for value in (10.0, 20.0, 24.0)]
REPORT = {
    "command": "python tests/bench/ablation.py --data mnist",
    "protocol": "9 samples",
    "epochs": 4,
    "seeds": 3,
    "metrics": {"frechet": "Fréchet distance"},
    "real": {"frechet": 1.5},
    "variants": [{"name": "hinge", "runs": RUNS}, {"name": "wasserstein-gp", "runs": RUNS[:1]}, {"name": "other", "runs": []}],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ablation.json").write_text(json.dumps(REPORT), encoding="utf-8")
    return tmp_path


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("ablation_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_has_the_mean_of_its_seeds_and_the_deviation_of_one_training(folder):
    (text,) = ablation(folder)
    assert "| hinge | 3 | 18.0 ± 7.2 |" in text  # the squares of -8, 2 and 6 add up to 104, over 2: 7.21
    assert "| wasserstein-gp | 1 | 10 |\n| other | 0 | – |\n| *real pictures* |  | 1.5 |" in text
    assert "4 of 9 trainings are done" in text
    assert "9 次训练已完成 4 次" in text
    assert "![" not in text


def test_all_trainings_done_need_no_excuse_and_curves_are_shown_where_they_lie_beside_it(folder):
    report = REPORT | {"variants": REPORT["variants"][:1]}
    (folder / "ablation.json").write_text(json.dumps(report), encoding="utf-8")
    (folder / "ablation.png").write_bytes(b"a picture")
    (text,) = ablation(folder)
    assert "trainings are done" not in text
    assert text.endswith("](ablation.png)")


def test_a_card_without_one_has_no_section(tmp_path):
    assert ablation(tmp_path) == []


@pytest.mark.parametrize("changes", [{"variants": None}, {"variants": [{"name": "a"}]}, {"real": {}}, {"epochs": None, "metrics": []}])
def test_a_file_of_something_else_is_told(folder, changes):
    (folder / "ablation.json").write_text(json.dumps(REPORT | changes), encoding="utf-8")
    assert code_of(lambda: ablation(folder)) == "bad_config"


def test_the_card_holds_it_before_the_training_and_comes_out_the_same_again(gan, folder):
    gan.save_pretrained(folder)
    texts = [gan.write_card(folder, "mine", "mit").read_text(encoding="utf-8") for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0].index("## Use") < texts[0].index("## Ablation") < texts[0].index("## Training")


def test_a_band_is_the_geometric_mean_and_a_deviation_in_log_at_the_steps_of_all(script):
    runs = [{"curve": [[100, 5.0], [200, 10.0], [300, 10.0]]}, {"curve": [[200, 1000.0], [300, 10.0]]}]
    (step, mean, low, high), last = script.band(runs)
    assert (step, mean) == (200, pytest.approx(100))
    assert (low, high) == (pytest.approx(100 / 10**2**0.5), pytest.approx(100 * 10**2**0.5))
    assert last == (300, pytest.approx(10), pytest.approx(10), pytest.approx(10))


def test_what_is_trained_is_left_alone_and_what_was_cut_goes_on(script, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(script.subprocess, "run", lambda words, check: commands.append(words))
    (tmp_path / "hinge-0").mkdir()
    (tmp_path / "hinge-0" / "training.json").write_text("{}")
    (tmp_path / "hinge-1").mkdir()
    (tmp_path / "hinge-1" / "checkpoint.safetensors").write_bytes(b"")
    for seed in range(3):
        script.train("hinge", seed, tmp_path, 10, tmp_path)
    assert [words[words.index("--seed") + 1] for words in commands] == ["1", "2"]
    assert [words[-1] for words in commands] == ["--resume", str(tmp_path / "hinge-2")]
    assert all(words[words.index("--objective") + 1] == "hinge" for words in commands)


def test_the_picture_draws_each_objective_that_has_a_run(script):
    curve = [[k, 1000.0 / k] for k in range(1000, 9001, 1000)]
    variants = [{"name": "hinge", "runs": [{"curve": curve}]}, {"name": "other", "runs": []}]
    drawn = script.plot({"variants": variants})
    colours = {colour for _, colour in drawn.getcolors(drawn.width * drawn.height)}
    assert script.COLOURS[0] in colours
    assert script.COLOURS[1] not in colours
