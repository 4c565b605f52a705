"""What the project declares is what it is: its dependencies, its types for others, and the linter's rules."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import genart_hub

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAMES = {"PIL": "pillow", "yaml": "pyyaml"}  # what is imported -> what is installed
ELSEWHERE = {"spaces", "torch_fidelity"}  # on a Space only; named in the sentence that asks for it


def declared() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"]
    return {re.match(r"[\w-]+", line)[0] for line in (*PROJECT["project"]["dependencies"], *extras["train"], *extras["video"])}


def imported() -> set[str]:
    found = set()
    for file in Path(genart_hub.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            found |= {name.split(".")[0] for name in names}
    return {NAMES.get(name, name).replace("_", "-") for name in found - sys.stdlib_module_names - {"genart_hub"} - ELSEWHERE}


def test_what_is_imported_is_declared():
    assert imported() <= declared()


def test_an_editor_knows_every_public_name():
    stub = ast.parse((ROOT / "genart_hub" / "__init__.pyi").read_text(encoding="utf-8"))
    names = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names} - {None}
    assert names == {*genart_hub._LAZY, *genart_hub._MODULES}
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))  # __all__
    assert ast.literal_eval(listed) == genart_hub.__all__
    assert (ROOT / "genart_hub" / "py.typed").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stable_diffusion", "from_pretrained", "images"])
def test_a_public_name_may_be_the_first_that_is_asked_for(name):
    subprocess.run([sys.executable, "-c", f"from genart_hub import {name}"], cwd=ROOT, check=True)


def test_a_wheel_holds_every_file_of_the_app():
    """Hatchling takes what stands in the package and git does not ignore, unless it is told to leave something out."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["genart_hub"], "force-include": {"weights": "genart_hub/weights"}}
    assert PROJECT["tool"]["hatch"]["build"].keys() == {"targets"}
    files = ["git", "ls-files", "genart_hub", "weights"]
    listed = subprocess.run(files, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a clone")
    ignored = subprocess.run([*files, "--cached", "--ignored", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    assert (ignored.returncode, ignored.stdout) == (0, "")  # tracked, and left out by a rule that ignores
    kinds = {Path(file).suffix for file in listed.stdout.splitlines() if file.startswith("genart_hub/ui/")}
    assert {".css", ".html", ".js", ".json", ".md", ".py", ".webp"} <= kinds


CHECKERS = [["ruff", "check", "."], ["ruff", "format", "--check", "."]]


@pytest.mark.parametrize("words", CHECKERS, ids=lambda words: " ".join(words[:2]))
def test_a_checker_finds_nothing(words):
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_types_of_the_package_and_of_a_user_s_script_are_right_and_a_misspelt_name_is_found(tmp_path):
    (tmp_path / "misspelt.py").write_text('import genart_hub\n\nmodel = genart_hub.from_pretrained("gan-mnist")\nmodel.smaple(4)\n')
    files = [*PROJECT["tool"]["mypy"]["files"], str(tmp_path / "misspelt.py")]
    done = subprocess.run([sys.executable, "-m", "mypy", *files], cwd=ROOT, capture_output=True, text=True)
    found = [line.partition("error: ")[2] for line in done.stdout.splitlines() if "error: " in line]
    assert found == ['"ImageModel" has no attribute "smaple"; maybe "sample"?  [attr-defined]'], done.stdout + done.stderr


@pytest.mark.slow
def test_a_user_s_script_runs(tmp_path):
    words = [sys.executable, "-W", "error", ROOT / "tests" / "user_script.py", tmp_path]
    done = subprocess.run(words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"grid.png", "walk.gif", "discs", "scale"}
