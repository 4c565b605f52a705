"""The results tables of both READMEs, from what `genart-hub evaluate --json` left in weights/. Run: python tests/readme_tables.py"""

import json
import re
import shlex
from pathlib import Path

from genart_hub.hub.cards.tables import matrix

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
BLOCK = re.compile(r"(^```bash\ngenart-hub evaluate ((?:[\w-]+ )+)--data [^\n]*\n```\n\n)\|.*?(?=\n\n(?!\d+\. ))", flags=re.M | re.S)


def results_of(name: str) -> list[dict]:
    """What was measured of a bundled model."""
    return json.loads((ROOT / "weights" / name / "evaluation.json").read_text(encoding="utf-8"))["results"][name]


def with_tables(text: str) -> str:
    """A README with the table below each `genart-hub evaluate` command as the figures in weights/ give it."""
    return BLOCK.sub(lambda block: block[1] + matrix({name: results_of(name) for name in shlex.split(block[2])}), text)


if __name__ == "__main__":
    for readme in READMES:
        readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")
