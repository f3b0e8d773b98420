"""The reading order: the files exist, in the same order on both pages, and their line counts are about right."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/reading-the-code.md")
ORDER = [
    "kernels/affine.py",
    "layers/dense.py",
    "model.py",
    "kernels/losses.py",
    "optim.py",
    "loop.py",
]


@pytest.mark.parametrize("page", PAGES)
def test_files_and_line_counts(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/]+\.py)` \| (\d+) \|", text, flags=re.MULTILINE)
    assert [name for name, _ in listed] == ORDER
    for name, lines in listed:
        actual = len((ROOT / "src" / "clearprop" / name).read_text(encoding="utf-8").splitlines())
        assert abs(int(lines) - actual) <= 0.1 * actual, f"{page}: {name} has {actual} lines, not {lines}"
