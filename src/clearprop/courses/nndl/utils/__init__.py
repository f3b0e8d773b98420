"""The course's `utils`: the Solver, gradient checks, CIFAR-10, and weights as pictures."""
