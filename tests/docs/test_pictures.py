"""The page of pictures shows what the script draws, small enough to be carried along."""

import re
from pathlib import Path

import pictures
import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "pictures.md"


def test_the_page_shows_each_picture() -> None:
    shown = re.findall(r"!\[([^]]+)\]\(_static/pictures/(\w+)\.png\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(name for _, name in shown) == sorted(draw.__name__ for draw in pictures.PICTURES)
    assert sorted(path.stem for path in pictures.FOLDER.iterdir()) == sorted(name for _, name in shown)


@pytest.mark.parametrize("draw", pictures.PICTURES, ids=lambda draw: draw.__name__)
def test_each_is_small_and_whole(draw) -> None:
    path = pictures.FOLDER / f"{draw.__name__}.png"
    assert path.stat().st_size < pictures.MOST_BYTES
    with Image.open(path) as image:
        image.verify()


@pytest.mark.parametrize("draw", [pictures.boundary, pictures.best_and_worst_rows], ids=["boundary", "rows"])
def test_they_can_be_drawn_anew(draw, tmp_path) -> None:
    assert 0 < pictures.save(draw(), tmp_path / "picture.png") < pictures.MOST_BYTES
