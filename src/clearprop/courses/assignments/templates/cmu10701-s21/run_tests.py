"""Tests of the graded parts: `python run_tests.py`, or `python run_tests.py relu` for those with "relu" in the name.

Each part's numbers are compared with the expected ones in tests/cases.npz, at rtol 1e-7 and atol 1e-8. The exit code
is 0 when all parts pass.
"""

import sys
import traceback
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
CASES = HERE / "tests" / "cases.npz"
RTOL, ATOL = 1e-7, 1e-8


class Wrong(Exception):
    """A result is not the expected one."""


def load_cases(part):
    """The part's cases, each a dictionary of arrays; in the file a name is part.case.array."""
    cases = {}
    with np.load(CASES) as arrays:
        for name in arrays.files:
            owner, _, rest = name.partition(".")
            if owner == part:
                number, _, array = rest.partition(".")
                cases.setdefault(number, {})[array] = arrays[name]
    return cases


def expect(case, what, got, expected):
    """Compare a result with the expected one."""
    expected = np.asarray(expected)
    if got is None:
        raise Wrong(
            f"{what} is None. Is a return missing, or was an attribute never set?\n  case      {case}"
        )
    array = np.asarray(got)
    lines = [f"  case      {case}", f"  shapes    expected {expected.shape}, got {array.shape}"]
    if array.shape == expected.shape:
        if np.allclose(array, expected, rtol=RTOL, atol=ATOL):
            return
        off = ~np.isclose(array, expected, rtol=RTOL, atol=ATOL)
        lines.append(f"  wrong     {off.sum()} of {off.size} numbers")
    lines += [show("expected", expected), show("got", array)]
    raise Wrong("\n".join([f"{what} is not the expected.", *lines]))


def show(label, array):
    """The first rows and columns of an array, under a label."""
    corner = array[tuple([slice(0, 4)] * array.ndim)]
    text = np.array2string(corner, precision=6) + (" ..." if corner.size < array.size else "")
    first, *rest = text.split("\n")
    return "\n".join([f"  {label:<9} {first}", *(" " * 12 + line for line in rest)])


def test_linear():
    from hw3_lib import Linear

    for number, c in load_cases("linear").items():
        case = f"{number}: x {c['x'].shape}, weights {c['weights'].shape}, biases {c['biases'].shape}"
        layer = Linear((c["weights"], c["biases"]))
        expect(case, "Linear.forward(x)", layer.forward(c["x"].copy()), c["out"])
        dx = layer.backward(c["g"].copy())
        expect(case, "d_weights", layer.d_weights, c["d_weights"])
        expect(case, "d_biases", layer.d_biases, c["d_biases"])
        expect(case, "Linear.backward(g)", dx, c["dx"])


def test_optimizer():
    from hw3_lib import GradientDescentOptimizer, Linear, ReLU
    from hw3_sol import MultiLayerPerceptron

    cases = load_cases("optimizer")
    rate = float(cases.pop("learning_rate")[""])
    linears = [Linear((c["weights"], c["biases"])) for c in cases.values()]
    optimizer = GradientDescentOptimizer(MultiLayerPerceptron([linears[0], ReLU(), linears[1]]), rate)
    for steps in (1, 2):
        for layer, c in zip(linears, cases.values()):
            layer.d_weights, layer.d_biases = c["d_weights"].copy(), c["d_biases"].copy()
        optimizer.step()
        for i, (layer, c) in enumerate(zip(linears, cases.values())):
            case = f"Linear {i} of a model Linear, ReLU, Linear; learning rate {rate}; {steps} steps"
            expect(case, "weights", layer.weights, c[f"weights_after_{steps}"])
            expect(case, "biases", layer.biases, c[f"biases_after_{steps}"])


def test_sigmoid():
    from hw3_lib import Sigmoid

    check_activation("sigmoid", Sigmoid)


def test_relu():
    from hw3_lib import ReLU

    check_activation("relu", ReLU)


def check_activation(part, layer_class):
    for number, c in load_cases(part).items():
        layer, x = layer_class(), c["x"].copy()
        case = f"{number}: x {x.shape} from {x.min():.4g} to {x.max():.4g}"
        expect(case, f"{layer_class.__name__}.forward(x)", layer.forward(x), c["out"])
        expect(case, "x itself, which forward must leave as it is", x, c["x"])
        expect(case, f"{layer_class.__name__}.backward(g)", layer.backward(c["g"].copy()), c["dx"])


def test_cross_entropy():
    from hw3_lib import CrossEntropyLoss

    for number, c in load_cases("cross_entropy").items():
        score = c["score"]
        case = f"{number}: score {score.shape} from {score.min():.4g} to {score.max():.4g}, label {c['label'].tolist()}"
        criterion = CrossEntropyLoss()
        expect(
            case,
            "CrossEntropyLoss.forward(score, label)",
            criterion.forward(score.copy(), c["label"]),
            c["loss"],
        )
        expect(case, "CrossEntropyLoss.backward()", criterion.backward(), c["dscore"])


def test_train_network():
    from hw3_lib import Linear, ReLU, Sigmoid
    from hw3_sol import MultiLayerPerceptron, define_network, train_network

    define_network(4, size_input=6, size_output=3)
    for number, c in load_cases("train_network").items():
        count = sum(name.startswith("weights_") for name in c)
        layers = []
        for i in range(count):
            layers += [
                Linear((c[f"weights_{i}"], c[f"biases_{i}"])),
                Sigmoid() if c["activation"] == "sigmoid" else ReLU(),
            ]
        dataset = {name: c[name] for name in ("train_x", "train_y", "test_x", "test_y")}
        settings = {
            "num_epoch": int(c["num_epoch"]),
            "learning_rate": float(c["learning_rate"]),
            "batch_size": int(c["batch_size"]),
        }
        case = f"{number}: train_x {c['train_x'].shape}, {count} Linear layers, {c['activation']}, {settings}"
        result = train_network(MultiLayerPerceptron(layers[:-1]), dataset, **settings)
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "yhat_train", "yhat_test"):
            if name not in result:
                raise Wrong(f"train_network returned no {name!r}.\n  case      {case}")
            expect(case, f"result[{name!r}]", result[name], c[name])


PARTS = [
    ("Linear", 5, test_linear),
    ("GradientDescentOptimizer", 5, test_optimizer),
    ("Sigmoid", 5, test_sigmoid),
    ("ReLU", 5, test_relu),
    ("CrossEntropyLoss", 10, test_cross_entropy),
    ("train_network", 20, test_train_network),
]


def failure(test):
    """What is wrong with a part, in words; nothing when its test passes."""
    try:
        test()
    except (Wrong, NotImplementedError) as err:
        return str(err)
    except (Exception, SystemExit) as err:
        frames = [
            frame for frame in traceback.extract_tb(err.__traceback__) if Path(frame.filename).parent == HERE
        ]
        place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
        return place + "".join(traceback.format_exception_only(type(err), err)).strip()
    return ""


def main(wanted):
    parts = [part for part in PARTS if wanted.lower() in part[0].lower()]
    if not parts:
        sys.exit(
            f"run_tests.py: no part has {wanted!r} in its name; there are {', '.join(name for name, _, _ in PARTS)}."
        )
    earned = 0
    for name, points, test in parts:
        text = failure(test)
        earned += 0 if text else points
        print(f"{'FAIL' if text else 'ok':<5} {name:<25} {0 if text else points:>2} of {points:>2} points")
        for line in text.splitlines():
            print(f"      {line}")
    total = sum(points for _, points, _ in parts)
    print(f"\n{earned} of {total} points")
    sys.exit(0 if earned == total else 1)


if __name__ == "__main__":
    np.seterr(all="ignore")  # a NaN shows itself in the comparison
    main(sys.argv[1] if len(sys.argv) > 1 else "")
