"""The two READMEs say the same, and what they say holds."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from readme_tables import BLOCK, with_tables

import genart_hub

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def headings(text: str) -> list[int]:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [len(marks) for marks in re.findall(r"^(#+) ", prose, flags=re.M)]


def blocks(text: str, language: str) -> list[str]:
    """Code blocks without their comments."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)
    return [re.sub(r"[ ]+#.*", "", block) for block in found]


def untranslated(found: list[str]) -> list[str]:
    """Code blocks without the prompts, which each README writes in its language."""
    return [re.sub(r'(prompt[= ])"[^"]*"', r'\1""', block) for block in found]


def tables(text: str) -> list[list[int]]:
    """The number of cells of each row, table by table."""
    runs = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.M)
    return [[row.count("|") for row in run.splitlines()] for run in runs]


def test_both_languages_have_the_same_headings():
    assert headings(ENGLISH) == headings(CHINESE)


@pytest.mark.parametrize("language", ["bash", "python"])
def test_both_languages_give_the_same_code(language):
    assert blocks(ENGLISH, language)
    assert untranslated(blocks(ENGLISH, language)) == untranslated(blocks(CHINESE, language))


def test_both_languages_have_the_same_tables():
    assert tables(ENGLISH) == tables(CHINESE)


def test_both_languages_name_the_same_things_in_code():
    spans = [sorted(set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)))) for text in (ENGLISH, CHINESE)]
    assert spans[0] == spans[1]


def test_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    names = {"__name__": "readme"}  # one block goes on where the one before it ended
    for block in blocks(ENGLISH, "python"):
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "grid.png").stat().st_size > 0
    assert (tmp_path / "walk.webp").stat().st_size > 0


def test_every_variable_of_ours_stands_in_the_table():
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "genart_hub").rglob("*.py"))
    named = set(re.findall(r'"(GENART_\w+)"', code))
    assert named == set(re.findall(r"^\| `(GENART_\w+)`", ENGLISH, flags=re.M))


def test_the_results_tables_are_what_was_measured():
    assert len(BLOCK.findall(ENGLISH)) == 4
    for text in (ENGLISH, CHINESE):
        assert with_tables(text) == text  # else: python tests/readme_tables.py


@pytest.mark.parametrize("name", ["tiny-sd-emoji", "features-emoji64"])
def test_a_results_tables_command_is_that_of_the_figures(name):
    assert json.loads((ROOT / "weights" / name / "evaluation.json").read_text(encoding="utf-8"))["command"] in ENGLISH.splitlines()


def test_front_matter_is_that_of_a_gradio_space():
    front = yaml.safe_load(ENGLISH.split("---")[1])
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    assert (front["sdk"], front["app_file"], front["python_version"]) == ("gradio", "app.py", "3.12")
    assert front["sdk_version"] == pins["gradio"]
    assert len(front["short_description"]) <= 60


def test_the_package_asks_for_less_than_the_app_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    lower = dict(dependency.split(">=") for dependency in project["dependencies"])
    assert lower.keys() == pins.keys()
    for name, version in lower.items():
        assert [int(part) for part in version.split(".")] <= [int(part) for part in pins[name].split(".")]


def test_the_version_is_one():
    assert f"version: {genart_hub.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {genart_hub.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_weights_stay_within_their_budget():
    assert sum(file.stat().st_size for file in (ROOT / "weights").rglob("*") if file.is_file()) < 64 * 2**20
