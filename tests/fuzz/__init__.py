"""Readers under fire: files that have been damaged, or made to harm, by the hundred thousand.

    PYTHONPATH=tests python -m fuzz --inputs 100000 weights

The suite runs a few hundred of each with a fixed seed; see test_fuzz.py. docs/security.md has the long runs.
"""
