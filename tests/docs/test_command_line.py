"""docs/command-line.md: its transcripts are what the commands print, and every command and option is there."""

import re
import shutil
from pathlib import Path

import pytest
import transcripts
import typer

from clearprop.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMAND = typer.main.get_command(app)


def commands(group, prefix=""):
    """Every command by its full name: "train", "data fetch"."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


@pytest.mark.skipif(shutil.which("bash") is None, reason="the transcripts are bash's")
def test_the_transcripts_are_what_the_commands_print(tmp_path):
    stated = [entry for block in transcripts.BLOCK.findall(TEXT) for entry in transcripts.entries(block)]
    assert len(stated) > 10
    printed = transcripts.run([entry.command for entry in stated], tmp_path)
    assert len(printed) == len(stated)
    wrong = [
        f"$ {entry.command}\n{output}"
        for entry, output in zip(stated, printed, strict=True)
        if not transcripts.agrees(entry.output, output)
    ]
    assert not wrong, "\n\n".join(["run tests/docs/transcripts.py; printed was:", *wrong])


@pytest.mark.parametrize(("name", "command"), [*commands(COMMAND)], ids=str)
def test_every_command_and_option_is_on_the_page(name, command):
    assert re.search(rf"^#+ `clearprop {name}[ `]", TEXT, flags=re.MULTILINE)
    options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    assert [option for option in options if f"`{option}" not in TEXT] == []


def test_no_line_but_a_sentence_is_wider_than_a_screen():
    lines = "".join(transcripts.BLOCK.findall(TEXT)).splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith(("$ ", "error:"))] == []


def test_numbers_may_differ_a_little_words_may_not():
    assert transcripts.agrees(
        "loss 0.50 after 3 steps\n...\nin 0.08 s", "loss 0.51 after 3 steps\na\nb\nin 9.99 s\n"
    )
    assert not transcripts.agrees("loss 0.50", "loss 0.80")
    assert not transcripts.agrees("loss 0.50", "cost 0.50")
    assert not transcripts.agrees("3 runs", "3 runs and more")
