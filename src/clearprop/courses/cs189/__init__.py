"""CS 189 HW6, Spring 2020 and Spring 2023: the `neural_networks` package's modules and names over the core."""
