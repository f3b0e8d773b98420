"""RandomShift, RandomFlip, Cutout: in training, images are changed a little. Their mathematics: kernels/augment.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.arrays import Array, Shape
from clearprop.errors import ShapeError
from clearprop.kernels.augment import (
    CutoutCache,
    cutout_backward,
    cutout_forward,
    flip_backward,
    flip_forward,
    shift_backward,
    shift_forward,
)
from clearprop.layers.base import Layer
from clearprop.layers.windows import check_spatial, sizes
from clearprop.names import check_count


class RandomShift(Layer):
    """In training each image is moved by up to `pixels`, and zeros come in: a random crop of the image in a zero frame.

    As in He et al. (2016), where 32 × 32 images are cut out of such with 4 pixels on each side. In prediction x
    is left as it is.

    Parameters
    ----------
    pixels : int or (int, int)
        How far at most, up or down and to the left or right, each way equally likely; as a pair, rows and columns.

    Raises
    ------
    ShapeError
        When the network is built, if x is no image, or could be moved out of sight.

    Examples
    --------
    >>> RandomShift(4).draw_noise((3, 32, 32, 3), np.random.default_rng(0), np.dtype("float32")).tolist()
    [[3, 1], [0, -2], [-2, -4]]
    """

    on_images = True

    def __init__(self, pixels: int | Sequence[int]) -> None:
        self.pixels = sizes("RandomShift", "pixels", pixels, 2, least=0)

    def settings(self) -> dict[str, Any]:
        return {"pixels": list(self.pixels)}

    def __repr__(self) -> str:
        return f"RandomShift({self.pixels[0] if len(set(self.pixels)) == 1 else self.pixels})"

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        check_spatial(who, input_shape, 2)
        if any(far >= size for far, size in zip(self.pixels, input_shape[:2], strict=True)):
            raise ShapeError(
                f"{who}: expected pixels below the image's height and width {input_shape[:2]}, got {self.pixels}, "
                "which moves it out of sight. Take fewer pixels."
            )
        return input_shape

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        far = np.array(self.pixels)
        return rng.integers(-far, far, (shape[0], 2), endpoint=True)

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Array | None]:
        return shift_forward(x, noise) if training and noise is not None else (x, None)

    def backward(self, dy: Array, cache: Array | None, need_dx: bool = True) -> Array:
        return dy if cache is None else shift_backward(dy, cache)


class RandomFlip(Layer):
    """In training each image is mirrored, left to right, with probability 1/2. In prediction x is left as it is.

    Raises
    ------
    ShapeError
        When the network is built, if x is no image.

    Examples
    --------
    >>> RandomFlip().draw_noise((5, 32, 32, 3), np.random.default_rng(0), np.dtype("float32"))
    array([False,  True,  True,  True, False])
    """

    on_images = True

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        check_spatial(who, input_shape, 2)
        return input_shape

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        return rng.random(shape[0]) < 0.5

    def forward(self, x: Array, training: bool = False, noise: Any = None) -> tuple[Array, Array | None]:
        return flip_forward(x, noise) if training and noise is not None else (x, None)

    def backward(self, dy: Array, cache: Array | None, need_dx: bool = True) -> Array:
        return dy if cache is None else flip_backward(dy, cache)


class Cutout(Layer):
    """In training a square of each image becomes 0, at a random place (DeVries & Taylor 2017).

    Its centre is any pixel, all equally likely, so that a part of the square may lie outside of the image. The
    paper's images have a mean of 0, which the square is then filled with. In prediction x is left as it is.

    Parameters
    ----------
    size : int
        The square's side. An odd one lies around its centre; an even one has its centre below and to the right.

    Raises
    ------
    ShapeError
        When the network is built, if x is no image.

    Examples
    --------
    >>> layer, x = Cutout(2), np.ones((1, 2, 4, 1))
    >>> layer.forward(x, training=True, noise=np.array([[0, 2]]))[0][0, :, :, 0]
    array([[1., 1., 0., 0.],
           [1., 1., 0., 0.]])
    """

    on_images = True

    def __init__(self, size: int) -> None:
        self.size = check_count("Cutout", "size", size)

    def settings(self) -> dict[str, Any]:
        return {"size": self.size}

    def output_shape(self, input_shape: Shape, who: str) -> Shape:
        check_spatial(who, input_shape, 2)
        return input_shape

    def draw_noise(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        centres = rng.integers(0, shape[1:3], (shape[0], 2))
        return centres - self.size // 2

    def forward(
        self, x: Array, training: bool = False, noise: Any = None
    ) -> tuple[Array, CutoutCache | None]:
        return cutout_forward(x, noise, self.size) if training and noise is not None else (x, None)

    def backward(self, dy: Array, cache: CutoutCache | None, need_dx: bool = True) -> Array:
        return dy if cache is None else cutout_backward(dy, cache)
