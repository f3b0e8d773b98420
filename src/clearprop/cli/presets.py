"""The presets: TOML files beside this one, each a run that one can start by its name."""

from pathlib import Path
from typing import Any

from clearprop.errors import ConfigError
from clearprop.names import unknown
from clearprop.runs.config import read_toml

FOLDER = Path(__file__).with_name("presets")


def preset_names() -> list[str]:
    """All presets, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_preset_or_file(name: str) -> tuple[dict[str, Any], str]:
    """The tables of a preset, or of a TOML file, and what the run is called for it.

    Raises
    ------
    ConfigError
        With the nearest preset, if it is neither.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        if path.suffix != ".toml":
            raise ConfigError(
                f"{name}: expected a configuration whose name ends in .toml, or a preset's name."
            )
        of_run = path.name == "config.toml"  # in experiments/iris/, say
        return read_toml(path), path.absolute().parent.name if of_run else path.stem
    if name not in preset_names():
        if path.with_name(f"{path.name}.toml").is_file():
            raise ConfigError(
                f"train: no preset {name!r}, but a file {name}.toml. To use it: clearprop train {name}.toml"
            )
        raise unknown("train", "preset", name, preset_names())
    return read_toml(FOLDER / f"{name}.toml"), name
