"""The READMEs of both languages say the same, and what they say holds."""

import json
import re
import tomllib
from collections import Counter

import pytest
import yaml
from PIL import Image
from readme_tables import PAIRS, RESULTS, ROOT, with_tables

import genart_hub

TEXTS = {folder: [file.read_text(encoding="utf-8") for file in pair] for folder, pair in PAIRS.items()}
ENGLISH = TEXTS["."][0]
of_each_pair = pytest.mark.parametrize("pair", TEXTS.values(), ids=TEXTS)


def prose(text: str) -> str:
    """The text without its code blocks and its front matter."""
    return re.sub(r"^```.*?^```|\A---\n.*?^---$", "", text, flags=re.M | re.S)


def headings(text: str) -> list[tuple[str, str]]:
    """The marks and the words of each."""
    return re.findall(r"^(#+) (.*)$", prose(text), flags=re.M)


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


def figures(text: str) -> list[Counter]:
    """The numbers of each section, whose order is the language's."""
    return [Counter(re.findall(r"\d+(?:[.,]\d+)*", section)) for section in re.split(r"^#+ ", prose(text), flags=re.M)]


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def anchor(heading: str) -> str:
    """The name by which a page is linked at a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


LOOKED_AT = {
    "headings": lambda text: [len(marks) for marks, _ in headings(text)],
    "shell": lambda text: untranslated(blocks(text, "bash")),
    "python": lambda text: untranslated(blocks(text, "python")),
    "tables": tables,
    "code words": lambda text: set(re.findall(r"`([^`\n]+)`", prose(text))),
    "figures": figures,
    "links": lambda text: Counter(link.replace(".zh-CN", "").partition("#")[0] for link in links(text)),
}


@of_each_pair
@pytest.mark.parametrize("what", LOOKED_AT)
def test_both_languages_have_the_same(pair, what):
    english, chinese = map(LOOKED_AT[what], pair)
    assert english == chinese


PAGES = [file for pair in PAIRS.values() for file in pair] + [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_and_link_leads_somewhere(page):
    for link in links(page.read_text(encoding="utf-8")):
        path, _, place = link.partition("#")
        if not link.startswith("https://"):
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not place or place in [anchor(words) for _, words in headings(target.read_text(encoding="utf-8"))], link


def test_the_main_page_leads_to_all_others():
    assert {f"{folder}/README.md" for folder in PAIRS if folder != "."} <= set(links(ENGLISH))


def examples(text: str) -> list[str]:
    """The Python blocks; tests/hub/test_foreign.py runs the one that reads somebody's files."""
    return [block for block in blocks(text, "python") if "torch.load(" not in block]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [folder for folder in TEXTS if examples(TEXTS[folder][0])])
def test_python_examples_run(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    (tmp_path / "my-pictures").mkdir()
    for k in range(130):
        Image.new("L", (8, 8), k).save(tmp_path / "my-pictures" / f"{k}.png")
    names = {"__name__": "readme"}  # one block goes on where the one before it ended
    for block in examples(TEXTS[folder][0]):
        exec(compile(block, "README.md", "exec"), names)
    for name in re.findall(r'"(\w+\.(?:png|webp))"', "".join(examples(TEXTS[folder][0]))):
        assert (tmp_path / name).stat().st_size > 0


def test_every_variable_of_ours_stands_in_the_table():
    code = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "genart_hub").rglob("*.py"))
    named = set(re.findall(r'"(GENART_\w+)"', code))
    for text in TEXTS["genart_hub/hub"]:
        assert named == set(re.findall(r"^\| `(GENART_\w+)`", text, flags=re.M))


def test_the_tables_are_what_was_measured():
    assert [len(RESULTS.findall(text)) for text in TEXTS["weights"]] == [5, 5]
    for pair in TEXTS.values():
        for lang, text in enumerate(pair):
            assert with_tables(text, lang) == text  # else: python tests/readme_tables.py


def test_the_table_of_models_has_every_model_that_draws():
    assert sorted(re.findall(r"^\| \[([\w-]+)\]\(weights/", ENGLISH, flags=re.M)) == genart_hub.bundled()


@pytest.mark.parametrize("name", ["tiny-sd-emoji", "features-emoji64", "features-emoji64-b"])
def test_a_results_tables_command_is_that_of_the_figures(name):
    command = json.loads((ROOT / "weights" / name / "evaluation.json").read_text(encoding="utf-8"))["command"]
    options = command.removeprefix(f"genart-hub evaluate {name}")
    told = [line for line in TEXTS["weights"][0].splitlines() if line.startswith("genart-hub evaluate ") and line.endswith(options)]
    assert any(name in line.removesuffix(options).split() for line in told)


def test_front_matter_is_that_of_a_gradio_space():
    front = yaml.safe_load(ENGLISH.split("---")[1])
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    assert (front["sdk"], front["app_file"], front["python_version"]) == ("gradio", "app.py", "3.12")
    assert front["sdk_version"] == pins["gradio"]
    assert len(front["short_description"]) <= 60


def test_the_package_asks_for_less_than_the_app_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    asked = [*project["dependencies"], *project["optional-dependencies"]["video"]]
    lower = dict(dependency.split(">=") for dependency in asked)
    assert lower.keys() == pins.keys()
    for name, version in lower.items():
        assert [int(part) for part in version.split(".")] <= [int(part) for part in pins[name].split(".")]


def test_the_version_is_one():
    assert f"version: {genart_hub.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## {genart_hub.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_weights_stay_within_their_budget():
    assert sum(file.stat().st_size for file in (ROOT / "weights").rglob("*") if file.is_file()) <= 95_000_000
