"""The house: who imports whom, how long the core is, and what `import clearprop` brings in."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import clearprop

ROOT = Path(clearprop.__file__).parent
MODULES = {
    ".".join(("clearprop", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if "templates" not in path.parts  # students' files, which are copied and never imported
}
# Each row may import from the rows above it and from its own, as design.md lays the rooms out.
ORDER = [
    ["errors", "blas"],
    ["arrays", "names", "files", "messages"],
    ["tensors"],
    ["params", "init", "kernels"],
    ["layers"],
    ["losses", "summary", "batches", "feed", "sources", "history", "work", "ranks", "plan"],
    ["model"],
    ["storage"],
    ["optimizer", "optim", "schedules", "metrics", "lbfgs"],
    ["callbacks", "divergence", "parallel"],
    ["evaluation"],
    ["loop"],
    ["train", "full_batch", "gradcheck"],
    ["data", "lens"],
    ["runs", "interop", "courses"],
    ["cli"],
]
ROW = {room: i for i, row in enumerate(ORDER) for room in row}
KNOW_ARRAYS_ONLY = ("optimizer", "optim", "schedules", "metrics", "lbfgs")
BELOW_THE_LINE = ("data", "runs", "lens", "interop", "courses", "cli")
EXCEPTIONS = {
    (
        "clearprop.model",
        "storage",
    ): "model.save is a method; storage needs the model's layers, so it comes later",
    ("clearprop.model", "interop"): "model.to_onnx is a method, too",
    ("clearprop.model", "lens"): "a notebook asks the model itself for its picture, which the lens draws",
}


def room(module):
    """clearprop.layers.dense -> layers; the package itself and __main__ stand outside the rooms."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROW else None


def imports(path, module):
    """Every module that a file imports, by its full name, those for type checkers left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_checkers = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write imports in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)


def ours(module):
    return [name for name in imports(MODULES[module], module) if name.split(".")[0] == "clearprop"]


def code_lines(path):
    """How many lines hold code: no blank lines, comments or docstrings."""
    source = path.read_text(encoding="utf-8")
    prose = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(source.splitlines(), 1)
    return sum(1 for i, line in lines if i not in prose and line.strip() and not line.strip().startswith("#"))


def python(code):
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


LOADED = "import sys, json; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"


@pytest.mark.parametrize(
    "first",
    [
        "import clearprop",
        "from clearprop import *",
        "import clearprop as cp, numpy as np;"
        "model = cp.Sequential([cp.Dense(2)], (3,)); model.predict(np.zeros((1, 3))); model.summary()",
    ],
)
def test_importing_brings_numpy_and_nothing_else(first):
    allowed = {*sys.stdlib_module_names, "clearprop"}
    with_numpy = set(python(f"import numpy.random; {LOADED}"))  # its extension modules have some of their own
    assert set(python(f"{first}; {LOADED}")) - allowed - with_numpy == set()


def test_a_bare_import_brings_hardly_a_module_of_its_own():
    code = "import clearprop, sys, json; print(json.dumps([m for m in sys.modules if m.startswith('clearprop')]))"
    assert set(python(code)) == {"clearprop", "clearprop.arrays", "clearprop.errors"}


def test_every_public_name_is_where_a_type_checker_finds_it():
    tree = ast.parse(MODULES["clearprop"].read_text(encoding="utf-8"))
    declared = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("clearprop.")
        for alias in node.names
    }
    assert declared.keys() == set(clearprop.__all__)
    assert clearprop.__all__ == sorted(
        clearprop.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    for name, module in declared.items():
        assert getattr(clearprop, name) is getattr(sys.modules[module], name), name
    assert set(clearprop.__all__) <= set(dir(clearprop))
    with pytest.raises(AttributeError, match="module 'clearprop' has no attribute 'Dens'"):
        clearprop.Dens  # noqa: B018


def test_every_module_has_a_room():
    outside = [name for name in MODULES if room(name) is None]
    assert set(outside) <= {"clearprop", "clearprop.__main__"}


@pytest.mark.parametrize("module", [name for name in MODULES if room(name)])
def test_imports_run_one_way(module):
    for target in ours(module):
        if (module, room(target)) in EXCEPTIONS or target == "clearprop":
            continue
        assert ROW[room(target)] <= ROW[room(module)], f"{module} imports {target}"


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) not in (None, *BELOW_THE_LINE)])
def test_the_core_does_not_import_the_package_as_a_whole(module):
    assert "clearprop" not in ours(module)


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in KNOW_ARRAYS_ONLY])
def test_optimizers_schedules_and_metrics_know_arrays_only(module):
    allowed = {"arrays", "errors", "names", "messages", *KNOW_ARRAYS_ONLY}
    assert {room(target) for target in ours(module)} <= allowed


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "kernels"])
def test_kernels_import_numpy_and_each_other(module):
    for target in imports(MODULES[module], module):
        known = target in (
            "numpy",
            "numpy.typing",
            "numpy.lib.stride_tricks",
            "math",
            "threading",  # for memory that each thread has of its own
            "typing",
            "collections.abc",
        )  # the last for types, too
        assert known or target.startswith("clearprop.kernels"), target


def test_same_file_name_in_kernels_and_layers():
    without_kernels = {"__init__.py", "base.py", "remedies.py", "spec.py", "windows.py"}
    layers = {path.name for path in (ROOT / "layers").glob("*.py")} - without_kernels
    kernels = {path.name for path in (ROOT / "kernels").glob("*.py")}
    renamed = {"dense.py": "affine.py", "activation.py": "activations.py"}
    without_mathematics = {"shape.py", "residual.py", "sequences.py"}
    assert {renamed.get(name, name) for name in layers - without_mathematics} <= kernels


def test_the_core_can_be_read_in_an_afternoon():
    def lines(*rooms):
        return sum(code_lines(path) for name, path in MODULES.items() if room(name) in rooms)

    rooms = {found for name in MODULES if (found := room(name)) not in (None, *BELOW_THE_LINE)}
    apart = {"kernels", "layers", "gradcheck", "messages", "ranks", "storage", "tensors"}
    assert lines(*(rooms - apart)) < 2_790
    assert lines("ranks") < 140  # which one reads when one has several machines
    assert lines("storage", "tensors") < 250  # which one reads when one is given a stranger's file
    assert lines("messages") < 300  # which one reads when one has made a mistake
    assert lines("kernels", "layers") < 3_000  # of which one reads the pair that one wants to know about
    cases = code_lines(ROOT / "gradcheck" / "cases.py")  # a list of all there is, which grows with it
    assert lines("gradcheck") - cases < 900


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module):
    assert (ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8"))) or "").strip()
