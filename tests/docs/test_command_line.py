"""The transcripts of docs/ are what the commands print; docs/command-line.md has every command and option."""

import re
import shutil
from pathlib import Path

import pytest
import transcripts
import typer

from clearprop.cli import app

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "command-line.md").read_text(encoding="utf-8")
PAGES = ("command-line", "why-not-learning")
COMMAND = typer.main.get_command(app)


def commands(group, prefix=""):
    """Every command by its full name: "train", "data fetch"."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


@pytest.mark.skipif(shutil.which("bash") is None, reason="the transcripts are bash's")
@pytest.mark.parametrize("page", PAGES)
def test_the_transcripts_are_what_the_commands_print(page, tmp_path):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    stated = transcripts.stated(text)
    assert len(stated) > 10
    printed = transcripts.run_page(text, tmp_path)
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


@pytest.mark.parametrize("page", PAGES)
def test_no_line_but_a_sentence_is_wider_than_a_screen(page):
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    lines = "".join(transcripts.BLOCK.findall(text)).splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith(("$ ", "error:"))] == []


def test_a_page_s_files_are_there_for_its_commands(tmp_path):
    text = "```toml\n# a.toml\nx = 1\n```\n\n```toml\ny = 2\n```\n\n```console\n$ cat a.toml\n# a.toml\nx = 2\n```\n"
    assert transcripts.run_page(text, tmp_path) == ["# a.toml\nx = 1"]
    assert not transcripts.agrees(transcripts.stated(text)[0].output, "# a.toml\nx = 1")
    assert transcripts.refreshed(text, tmp_path) == text.replace("x = 2", "x = 1")


def test_numbers_may_differ_a_little_words_may_not():
    assert transcripts.agrees(
        "loss 0.50 after 3 steps\n...\nin 0.08 s", "loss 0.51 after 3 steps\na\nb\nin 9.99 s\n"
    )
    assert transcripts.agrees("iris 2026-11-21", "iris 2031-01-02")
    assert not transcripts.agrees("loss 0.50", "loss 0.80")
    assert not transcripts.agrees("loss 0.50", "cost 0.50")
    assert not transcripts.agrees("3 runs", "3 runs and more")
