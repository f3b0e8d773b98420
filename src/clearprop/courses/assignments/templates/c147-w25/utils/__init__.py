"""What the notebooks stand on: CIFAR-10, the training loop, gradient checks, pictures."""
