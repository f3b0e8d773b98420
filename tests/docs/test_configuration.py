"""docs/configuration.md and the code name the same keys, with the same defaults."""

import re
import tomllib
from inspect import signature
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from clearprop.init import INITIALIZERS
from clearprop.layers import LAYERS
from clearprop.losses import LOSSES
from clearprop.optim import OPTIMIZERS
from clearprop.runs import config
from clearprop.schedules import SCHEDULES

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
KEYS_HEAD = "| key | type | default | meaning |"
TABLES = {
    "At the top": config.RunConfig,
    "`[data]`": config.DataTable,
    "`[model]`": config.ModelTable,
    "`[training]`": config.TrainingTable,
    "`[training.early_stopping]`": config.EarlyStoppingTable,
    "`[checkpoints]`": config.CheckpointTable,
    "`[tracking]`": config.TrackingTable,
    "`[sweep]`": config.SweepTable,
}
CHOICES = {
    "type": LAYERS,
    "initializer": INITIALIZERS,
    "loss": {name: kernel for name, (kernel, _, _) in LOSSES.items()},
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


def rows_under(head, text):
    """The cells of the table that begins with the line `head`."""
    found = re.search(rf"^{re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    assert found, f"docs/configuration.md has no table {head!r}"
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in found[1].splitlines()]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in cells}


def sections():
    parts = re.split(r"^## (.+)\n", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(cell):
    """A default as the table writes it -> its value."""
    return cell if cell in ("required", "none") else tomllib.loads(f"v = {cell.strip('`')}")["v"]


def actual(field):
    """A field's default, as the table is to write it."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return {}
    return "none" if value is None else value


def test_every_table_of_the_configuration_is_on_the_page():
    tables = {t for t in vars(config).values() if isinstance(t, type) and issubclass(t, config.Table)}
    assert tables - {config.Table} == set(TABLES.values())
    assert TEXT.count(KEYS_HEAD) == len(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_keys_and_defaults(name):
    rows = rows_under(KEYS_HEAD, sections()[name])
    fields = TABLES[name].model_fields
    assert list(rows) == list(fields)
    assert {key: documented(cells[1]) for key, cells in rows.items()} == {
        key: actual(field) for key, field in fields.items()
    }


@pytest.mark.parametrize("what", CHOICES)
def test_names_and_settings(what):
    rows = rows_under(f"| {what} | settings |", TEXT)
    listed = {name: re.findall(r"`(\w+)`", cells[0]) for name, cells in rows.items()}
    skip = 2 if what == "loss" else 0  # a kernel's scores and y
    assert listed == {name: list(signature(made).parameters)[skip:] for name, made in CHOICES[what].items()}


def test_the_examples_are_valid():
    whole, *parts = [
        tomllib.loads(block)
        for block in re.findall(r"^```toml\n(.*?)\n```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    ]
    config.make_config(whole, "docs")
    for part in parts:
        config.make_config(whole | part, "docs")
