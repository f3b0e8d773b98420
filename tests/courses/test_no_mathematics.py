"""The dialects are names, views and conventions: no matrix product and no exponential of their own.

Their files are read, not run: whatever multiplies matrices, or names an exponential, a logarithm or a hyperbolic
function of NumPy or any other library, is found wherever it stands.
"""

import ast
from pathlib import Path

import pytest

import clearprop.courses

COURSES = Path(clearprop.courses.__file__).parent
DIALECTS = ("cs189", "cs189_functions.py", "cmu10701", "nndl")
FILES = {
    path.relative_to(COURSES).as_posix(): path
    for name in DIALECTS
    for path in sorted([COURSES / name] if name.endswith(".py") else (COURSES / name).rglob("*.py"))
    if path.is_file()
}
PRODUCTS = {
    "matmul", "dot", "vdot", "inner", "einsum", "einsum_path", "tensordot", "kron", "matvec", "vecmat", "vecdot",
    "multi_dot", "matrix_power", "convolve", "correlate", "__matmul__", "__rmatmul__", "__imatmul__", "imatmul",
}  # fmt: skip
EXPONENTIALS = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2", "tanh", "sinh", "cosh",
    "arctanh", "arcsinh", "arccosh", "atanh", "asinh", "acosh", "arctan", "atan", "arctan2", "atan2", "expit", "logit",
    "softmax", "log_softmax", "logsumexp", "log_expit", "erf", "e",
}  # fmt: skip
LIBRARIES = ("numpy", "math", "cmath", "scipy", "torch", "jax", "operator")


def library(name):
    return name is not None and name.partition(".")[0] in LIBRARIES


def names_of_libraries(tree):
    """What the file calls modules of libraries: `np`, `math`, `special`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (alias.asname or alias.name).partition(".")[0] for alias in node.names if library(alias.name)
            )
        elif isinstance(node, ast.ImportFrom) and library(node.module):
            yield from (alias.asname or alias.name for alias in node.names)


def root(node):
    """The name that a chain of attributes begins with: np.linalg.multi_dot -> np."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def mathematics(source):
    """Each piece of mathematics in the source: its line, and what it is."""
    tree = ast.parse(source)
    libraries = set(names_of_libraries(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield node.lineno, "@"
        elif isinstance(node, ast.Attribute):
            of_library = root(node) in libraries  # an exponential's name may be a dialect's own: self.log
            if node.attr in PRODUCTS or (of_library and node.attr in EXPONENTIALS):
                yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom) and library(node.module):
            forbidden = PRODUCTS | EXPONENTIALS | {"*"}
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in forbidden)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            named = node.args[1] if len(node.args) > 1 else None
            harmless = isinstance(named, ast.Constant) and named.value not in PRODUCTS | EXPONENTIALS
            if root(node.args[0]) in libraries and not harmless:
                yield node.lineno, "getattr"


@pytest.mark.parametrize("name", FILES)
def test_a_dialect_has_no_mathematics_of_its_own(name):
    found = list(mathematics(FILES[name].read_text(encoding="utf-8")))
    assert found == [], "the core's kernels do that: call them"


def test_all_of_every_dialect_is_looked_at():
    for dialect in DIALECTS:
        assert any(name.startswith(dialect) for name in FILES), dialect
    assert {"cs189/layers.py", "cs189/activations.py", "cs189/losses.py", "cs189/images.py"} <= FILES.keys()


@pytest.mark.parametrize(
    "planted",
    [
        "y = x @ w",
        "y @= w",
        "import numpy as np\ny = np.dot(x, w)",
        "y = x.dot(w)",
        "import numpy as np\nmultiply = np.matmul",
        "import numpy\ny = numpy.linalg.multi_dot([a, b, c])",
        "import numpy as np\ny = np.einsum('nd,dm->nm', x, w)",
        "import numpy as np\ny = np.tensordot(x, w, 1)",
        "import numpy as np\ny = np.inner(x, w)",
        "from numpy import einsum as product",
        "from operator import matmul",
        "import numpy as np\nf = lambda z: 1 / (1 + np.exp(-z))",
        "import math\ny = math.log(2)",
        "from math import tanh",
        "from numpy import *",
        "import numpy as np\ny = np.e ** x",
        "from scipy.special import expit",
        "import scipy.special\ny = scipy.special.softmax(x)",
        "from scipy import special\ny = special.logsumexp(x)",
        "import numpy as np\ndef loss(p):\n    return -np.log(p).mean()",
        "import numpy as np\ny = getattr(np, 'ex' + 'p')(x)",
        "import numpy as np\ny = getattr(np, 'exp')(x)",
        "import torch\ny = torch.tanh(x)",
        "y = x.__matmul__(w)",
    ],
)
def test_planted_mathematics_is_found(planted):
    assert list(mathematics(planted))


@pytest.mark.parametrize(
    "harmless",
    [
        "from clearprop.kernels.activations import softmax_forward, tanh_forward\ny, _ = softmax_forward(x)",
        "self.log.append(1)",
        "import numpy as np\ny = np.sqrt(x) * np.maximum(x, 0) + x.sum(axis=0)",
        '"""Computes np.exp(x) @ w."""',
        "kind = 'tanh'",
        "import numpy as np\ny = np.linalg.norm(x)",
        "@final\nclass Tanh: ...",
        "import numpy as np\ny = getattr(np, 'sqrt')(x)",
    ],
)
def test_what_is_none_is_let_through(harmless):
    assert list(mathematics(harmless)) == []
