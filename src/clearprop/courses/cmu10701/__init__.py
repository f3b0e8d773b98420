"""CMU 10-701, Spring 2021, homework 3: `hw3_lib`, the modules, and `hw3_sol`, the network and its training."""
