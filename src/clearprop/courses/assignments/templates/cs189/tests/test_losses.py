"""The losses, forward and backward, for batches of 72, 128 and 223."""

from neural_networks.losses import CrossEntropy, L2
from tests import NumbersTestCase

CASES = ((72, 3), (128, 10), (223, 61))  # examples, classes or numbers
# ONLY cs189-sp23
HALF = True  # this edition's L2: half of the sum of the squares, divided by the batch's size
# END ONLY
# ONLY cs189-sp20
HALF = False  # this edition's L2: the sum of the squares, divided by the batch's size
# END ONLY
NAME = "l2_half" if HALF else "l2_mean"


class TestCrossEntropy(NumbersTestCase):
    numbers = "losses"

    def test_forward(self) -> None:
        for m, k in CASES:
            got = CrossEntropy("cross_entropy").forward(self.data[f"{m}_onehot"], self.data[f"{m}_probs"])
            self.compare(f"forward, ({m}, {k})", got, self.data[f"{m}_cross_entropy"])

    def test_backward(self) -> None:
        for m, k in CASES:
            got = CrossEntropy("cross_entropy").backward(self.data[f"{m}_onehot"], self.data[f"{m}_probs"])
            self.compare(f"backward, ({m}, {k})", got, self.data[f"{m}_cross_entropy_dY_hat"])


class TestL2(NumbersTestCase):
    numbers = "losses"

    @staticmethod
    def loss() -> L2:
        """The loss as this edition has it."""
        loss = L2("l2")
        loss.half = HALF
        return loss

    def test_forward(self) -> None:
        for m, k in CASES:
            got = self.loss().forward(self.data[f"{m}_targets"], self.data[f"{m}_outputs"])
            self.compare(f"forward, ({m}, {k})", got, self.data[f"{m}_{NAME}"])

    def test_backward(self) -> None:
        for m, k in CASES:
            got = self.loss().backward(self.data[f"{m}_targets"], self.data[f"{m}_outputs"])
            self.compare(f"backward, ({m}, {k})", got, self.data[f"{m}_{NAME}_dY_hat"])
