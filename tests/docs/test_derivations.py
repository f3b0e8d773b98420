"""The derivation pages and the kernels: each kernel has its page, and the code there is the kernel's own."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "derivations"
KERNELS = ROOT / "src" / "clearprop" / "kernels"
SHARED_PAGES = {
    "by_group": "conv",
    "conv1d": "conv",
    "conv2d": "conv",
    "conv_transpose2d": "conv",
    "correlate": "conv",
    "correlate_w": "conv",
    "gelu_tanh": "gelu",
    "gru_before": "gru",
    "input_gradient": "recurrent",
    "l1_gradient": "penalties",
    "l1_penalty": "penalties",
    "l2_gradient": "penalties",
    "l2_penalty": "penalties",
    "outputs": "windows",
    "over_time": "recurrent",
    "pad": "windows",
    "put": "recurrent",
    "spread": "conv",
    "stack_inputs": "recurrent",
    "steps_back": "recurrent",
    "taps": "windows",
    "upstream": "recurrent",
    "window_rows": "windows",
    "global_max_pool": "max_pool2d",
    "global_avg_pool": "avg_pool2d",
    "shift": "augment",
    "flip": "augment",
    "cutout": "augment",
    "batch_norm_moments": "batch_norm",
    "batch_norm_statistics": "batch_norm",
    "batch_norm_sums": "batch_norm",
}


def bodies():
    """Every function of the kernels by its name: the lines below its docstring."""
    found = {}
    for path in KERNELS.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef):
                lines = source.splitlines()[node.body[0].end_lineno : node.end_lineno]
                found[node.name] = textwrap.dedent("\n".join(lines)).strip("\n")
    return found


def page_of(function):
    name = re.sub("_(forward|backward)$", "", function)
    return SHARED_PAGES.get(name, name)


def blocks(page):
    """The fenced python blocks of a page."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)\n```$", text, flags=re.MULTILINE | re.DOTALL)


BODIES = bodies()
HELPERS = {"erf", "polynomial", "scratch"}  # not kernels: a page names their file
PAGE_NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "index")


@pytest.mark.parametrize(
    "function", sorted(name for name in BODIES if name[0] != "_" and name not in HELPERS)
)
def test_every_kernel_stands_whole_on_its_page(function):
    page = page_of(function)
    assert page in PAGE_NAMES, f"{function}: docs/derivations/{page}.md is missing"
    assert BODIES[function] in blocks(page), (
        f"docs/derivations/{page}.md: {function} reads otherwise in the source"
    )


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_every_python_block_is_a_kernels_own_code(page):
    found = blocks(page)
    assert found
    assert set(found) <= set(BODIES.values())


def test_the_index_lists_every_page_once():
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)\n```$", text, flags=re.MULTILINE | re.DOTALL)
    listed = [line for tree in trees for line in tree.split("\n") if line and not line.startswith(":")]
    assert sorted(listed) == PAGE_NAMES
