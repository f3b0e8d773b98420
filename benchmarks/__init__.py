"""clearprop beside what a user would pick instead, measured in turn within one run: `python -m benchmarks`."""
