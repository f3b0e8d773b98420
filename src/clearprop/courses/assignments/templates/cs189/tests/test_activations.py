"""The activation functions, forward and backward, for batches of 72, 128 and 223 by 61 and 311 numbers."""

from neural_networks.activations import initialize_activation
from tests import NumbersTestCase

BATCHES, WIDTHS = (72, 128, 223), (61, 311)


class ActivationTestCase(NumbersTestCase):
    """Both tests, for the activation that `name` names."""

    numbers = "activations"
    name = ""

    def check_forward(self) -> None:
        for m, width, Z, _ in self.cases():
            got = initialize_activation(self.name).forward(Z)
            self.compare(f"forward, ({m}, {width})", got, self.data[f"{self.name}_{width}_Y"][:m])

    def check_backward(self) -> None:
        for m, width, Z, dY in self.cases():
            got = initialize_activation(self.name).backward(Z, dY=dY)
            self.compare(f"backward, ({m}, {width})", got, self.data[f"{self.name}_{width}_dZ"][:m])

    def cases(self):
        """Batch, width, Z and dY; a smaller batch is the first rows of the largest."""
        for width in WIDTHS:
            for m in BATCHES:
                yield m, width, self.data[f"{width}_Z"][:m].copy(), self.data[f"{width}_dY"][:m].copy()


class TestLinear(ActivationTestCase):
    name = "linear"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()


class TestSigmoid(ActivationTestCase):
    name = "sigmoid"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()


class TestTanH(ActivationTestCase):
    name = "tanh"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()


class TestReLU(ActivationTestCase):
    name = "relu"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()


class TestSoftMax(ActivationTestCase):
    name = "softmax"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()


class TestArcTan(ActivationTestCase):
    name = "arctan"

    def test_forward(self) -> None:
        self.check_forward()

    def test_backward(self) -> None:
        self.check_backward()
