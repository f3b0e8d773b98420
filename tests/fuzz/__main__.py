"""python -m fuzz TARGET …: damaged files to a reader, until so many have been read or refused."""

import argparse
import json
import os
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path


def main():
    given = arguments()
    warnings.simplefilter("error")  # a warning is a finding, too
    with instrumented(given.engine):
        from fuzz.guard import Range
        from fuzz.targets import TARGETS
    failed = False
    names = given.targets or list(TARGETS)
    if given.engine == "atheris" and len(names) > 1:
        sys.exit("atheris runs one target in a process: name one.")
    with tempfile.TemporaryDirectory() as folder:
        shots = Range(folder, 0)
        for name in names:
            target = TARGETS[name]
            campaign = Campaign(name, target, shots, given)
            campaign.begin(given.memory if name == names[0] else 0)
            (by_atheris if given.engine == "atheris" else by_damage)(campaign, given)
            failed |= campaign.report()
            (Path(folder) / target.file).unlink()
    sys.exit(failed)


def arguments():
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="all by default")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--engine", choices=("damage", "atheris"), default="damage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=1024, help="MiB beyond what the process has at first")
    parser.add_argument("--keep", type=Path, help="a folder for the files that were found")
    return parser.parse_args()


def instrumented(engine):
    """Where atheris counts which of our lines have run, to look for files that reach others."""
    if engine != "atheris":
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=["clearprop"])


class Campaign:
    """One target, and what has come of each of its files."""

    def __init__(self, name, target, shots, given):
        self.name, self.target, self.shots, self.given = name, target, shots, given
        self.rng, self.outcomes, self.start = random.Random(given.seed), Counter(), time.monotonic()

    def begin(self, memory):
        """The whole files, which must be read; then the limit to memory, once every module is there."""
        from fuzz.guard import limit_memory

        self.seeds = self.target.seeds()
        for seed in self.seeds:
            (Path(self.shots.folder) / self.target.file).write_bytes(seed)
            self.target.read(Path(self.shots.folder) / self.target.file)
        if memory:
            limit_memory(memory)

    def damaged(self, data):
        return self.target.damage(self.rng, data, self.rng.choice(self.seeds))

    def shoot(self, data):
        outcome = self.shots.shoot(self.target, data)
        if outcome not in ("read", "refused") and outcome not in self.outcomes and self.given.keep:
            self.given.keep.mkdir(parents=True, exist_ok=True)
            (self.given.keep / f"{self.name}-{len(self.outcomes)}").write_bytes(data)
            print(f"{self.name}: {outcome}", flush=True)
        self.outcomes[outcome] += 1

    def report(self):
        """One line of JSON; whether anything was found."""
        found = {key: n for key, n in self.outcomes.items() if key not in ("read", "refused")}
        seconds = round(time.monotonic() - self.start)
        line = {"target": self.name, "engine": self.given.engine, "inputs": self.outcomes.total(), "seconds": seconds,
                "read": self.outcomes["read"], "refused": self.outcomes["refused"], "found": found}  # fmt: skip
        print(json.dumps(line), flush=True)
        return bool(found)


def by_damage(campaign, given):
    """Each input from a whole file, or from one that was read although it was damaged."""
    pool = list(campaign.seeds)
    for _ in range(given.inputs):
        data = campaign.damaged(campaign.rng.choice(pool))
        read = campaign.outcomes["read"]
        campaign.shoot(data)
        if campaign.outcomes["read"] > read and len(pool) < 500 and len(data) < 20_000:
            pool.append(data)


def by_atheris(campaign, given):
    """libFuzzer's search for lines that have not run yet; half of its steps are our damages. Ends the process."""
    import atheris

    def mutator(data, longest, seed):
        campaign.rng.seed(seed)
        if campaign.rng.random() < 0.5 and data:
            return atheris.Mutate(data, longest)
        return campaign.damaged(data or b"\0")[:longest]

    def one(data):
        campaign.shoot(data)
        if campaign.outcomes.total() >= given.inputs:
            sys.stdout.flush()
            os._exit(campaign.report())

    with tempfile.TemporaryDirectory() as corpus:
        for i, seed in enumerate(campaign.seeds):
            (Path(corpus) / str(i)).write_bytes(seed)
        options = [
            f"-seed={given.seed + 1}",
            "-max_len=65536",
            "-timeout=600",
            "-rss_limit_mb=0",
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], *options, corpus], one, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
