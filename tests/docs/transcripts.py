"""Run the `$ commands` of a page's console blocks, and compare what they print with what stands there.

A TOML or Python block whose first line is a comment with a file's name, `# net.toml`, is that file for the commands.

`python tests/docs/transcripts.py docs/command-line.md` writes new outputs where they differ.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from forking import served

import clearprop

SOURCES = str(Path(clearprop.__file__).parents[1])
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", flags=re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```(?:toml|python)\n(# (\S+\.(?:toml|py))\n.*?)^```$", flags=re.MULTILINE | re.DOTALL)
VARIES = re.compile(r"\d+\.\d+ s\b|\d{4}-\d\d-\d\d(?: \d\d:\d\d)?|\d\.\d+\.\d+")  # times, dates, versions
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]\d+)?")
MARK = "=== next ==="


class Entry(NamedTuple):
    """A command, and the output that stands under it."""

    command: str
    output: str


def entries(block: str) -> list[Entry]:
    """The commands of a console block; a line `> …` continues the command above it."""
    parts = re.split(r"^\$ ((?:.*\n)(?:> .*\n|>\n)*)", block, flags=re.MULTILINE)[1:]
    return [
        Entry(command.rstrip("\n"), output) for command, output in zip(parts[::2], parts[1::2], strict=True)
    ]


def stated(text: str) -> list[Entry]:
    """All commands of a page."""
    return [entry for block in BLOCK.findall(text) for entry in entries(block)]


def run_page(text: str, folder: Path) -> list[str]:
    """What each command of a page prints, in a folder with the page's files."""
    for content, name in FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    return run([entry.command for entry in stated(text)], folder)


def run(commands: list[str], folder: Path) -> list[str]:
    """What each command prints on a screen of 80 columns, in one shell, in a folder."""
    env = {**os.environ, "PYTHONPATH": SOURCES, "COLUMNS": "80", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    script = []
    for command in commands:
        script += [re.sub(r"^> ?", "", command, flags=re.MULTILINE), f"code=$?; echo '{MARK}'; (exit $code)"]
    with served(env) as clearprop:
        head = [
            f'python() {{ "{sys.executable}" "$@"; }}',
            f'clearprop() {{ {clearprop} "$@"; }}',
            "exec 2>&1",
        ]
        done = subprocess.run(
            ["bash", "-c", "\n".join(head + script)],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            env=env,
        )
    outputs = done.stdout.split(f"{MARK}\n")[:-1]
    return ["".join(line.rstrip() + "\n" for line in output.splitlines()).strip("\n") for output in outputs]


def agrees(expected: str, actual: str) -> bool:
    """Whether the words are the same and the numbers about the same; a line `...` stands for any lines.

    Compared word by word, so that a page that does not agree costs no more time than one that does.
    """
    parts = [
        VARIES.sub("VARIES", part).split() for part in re.split(r"^\.\.\.$", expected, flags=re.MULTILINE)
    ]
    words = VARIES.sub("VARIES", actual).split()
    for k, part in enumerate(parts):
        places = range(len(words) - len(part) + 1)
        starts = places[:1] if k == 0 else places[-1:] if k == len(parts) - 1 else places
        found = next((a for a in starts if all(map(_alike, part, words[a:]))), None)
        if found is None:
            return False
        words = words[found + len(part) :]
    return not words or (len(parts) > 1 and not parts[-1])


def _alike(wanted: str, found: str) -> bool:
    """Two words with the same letters, whose numbers differ by a few per cent at most."""
    if NUMBER.sub("#", wanted) != NUMBER.sub("#", found):
        return False
    pairs = zip(map(float, NUMBER.findall(wanted)), map(float, NUMBER.findall(found)), strict=True)
    return all(abs(b - a) <= 0.06 + 0.05 * a for a, b in pairs)


def refreshed(text: str, folder: Path) -> str:
    """The page with new outputs where the old ones do not agree."""
    outputs = iter(run_page(text, folder))

    def write(block: re.Match[str]) -> str:
        kept = []
        for entry in entries(block[0]):
            actual = next(outputs)
            output = entry.output.strip("\n") if agrees(entry.output, actual) else actual
            kept.append(f"$ {entry.command}\n" + (f"{output}\n" if output else ""))
        return "".join(kept)

    return BLOCK.sub(write, text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            page = Path(name)
            page.write_text(refreshed(page.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
