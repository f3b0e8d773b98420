"""Runs: an experiment's folder: its configuration, log, checkpoints, and how it goes on. Reads the core."""
