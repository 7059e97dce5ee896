"""Random changes of what the network sees in a step, so that only what survives them is rewarded.

They are the robustness of Olah et al. 2017, "Feature Visualization", as in lucid. Images are in units of their
`ImageSpace`, where 0.5 is the middle of a range. A transform may change the size; all of them have exact gradients
and work on images of any size that is only known while they run.
"""

import math
from dataclasses import dataclass

import tensorflow as tf

from kerasviz.checks import checked_count, checked_number, checked_numbers
from kerasviz.errors import SettingError
from kerasviz.synthesis.influences import Transform
from kerasviz.synthesis.rotation import rotated


@dataclass(frozen=True)
class Pad(Transform):
    """A frame around the images; with a `Jitter` after it, the images move without losing their rim.

    Attributes:
        pixels: its width; the images get larger by twice that.
        fill: a value in units, or "reflect" for the image's mirror image (less than its size wide). For images
            without a range, the value that is neutral there, often 0.

    Raises:
        SettingError: a setting is out of range, or an image is too small to be mirrored so far.

    Example:
        >>> Pad(1, fill=0.0).transform(tf.ones((1, 1, 1, 1)), None).numpy()[0, ..., 0].tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    pixels: int
    fill: float | str = 0.5

    def __post_init__(self):
        object.__setattr__(self, "pixels", checked_count("pixels", self.pixels))
        object.__setattr__(self, "fill", _checked_fill(self.fill))

    def transform(self, images, seed):  # noqa: D102
        frame = [[0, 0], [self.pixels] * 2, [self.pixels] * 2, [0, 0]]
        if self.fill != "reflect":
            return tf.pad(images, frame, constant_values=self.fill)
        _require_larger(images, self.pixels, 'Pad with fill="reflect"')
        return tf.pad(images, frame, mode="REFLECT")


@dataclass(frozen=True)
class Jitter(Transform):
    """Cuts out a window at a random place; it is smaller than the images by `pixels` on both axes.

    All `pixels + 1` places on each axis are alike likely.

    Attributes:
        pixels: how far the window moves.

    Raises:
        SettingError: the setting is out of range, or nothing of an image would be left.

    Example:
        >>> Jitter(3).transform(tf.ones((2, 8, 9, 3)), tf.constant([0, 1])).shape.as_list()
        [2, 5, 6, 3]
    """

    pixels: int

    def __post_init__(self):
        object.__setattr__(self, "pixels", checked_count("pixels", self.pixels))

    def transform(self, images, seed):  # noqa: D102
        _require_larger(images, self.pixels, "Jitter")
        place = tf.concat([[0], _whole(seed, [2], 0, self.pixels), [0]], 0)
        # Not by indexing, whose gradient is slow.
        window = tf.slice(images, place, tf.shape(images) - [0, self.pixels, self.pixels, 0])
        sizes = [size and size - self.pixels for size in images.shape[1:3]]
        return tf.ensure_shape(window, [images.shape[0], *sizes, images.shape[3]])


@dataclass(frozen=True)
class Roll(Transform):
    """Moves the images by up to `pixels` each way on both axes; what leaves on one side comes in on the other.

    It is what DeepDream (Mordvintsev et al. 2015) and keras-vis call jitter: the size stays, and the images become
    seamless tiles.

    Attributes:
        pixels: how far at most.

    Raises:
        SettingError: the setting is out of range.

    Example:
        >>> row = tf.range(3.0)[None, None, :, None]
        >>> Roll(1).transform(row, tf.constant([0, 0])).numpy().ravel().tolist()
        [1.0, 2.0, 0.0]
    """

    pixels: int

    def __post_init__(self):
        object.__setattr__(self, "pixels", checked_count("pixels", self.pixels))

    def transform(self, images, seed):  # noqa: D102
        return tf.roll(images, _whole(seed, [2], -self.pixels, self.pixels), axis=[1, 2])


@dataclass(frozen=True)
class Scale(Transform):
    """Resizes the images by a random factor, bilinear, without a filter against aliasing; rounded to whole pixels.

    Attributes:
        low: the smallest factor.
        high: the largest; all between are alike likely.
        among: factors to choose from instead; `low` and `high` then are the smallest and largest of these.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> Scale(among=[0.5]).transform(tf.ones((1, 8, 6, 3)), tf.constant([0, 1])).shape.as_list()
        [1, 4, 3, 3]
    """

    low: float = 0.9
    high: float = 1.1
    among: tuple[float, ...] | None = None

    def __post_init__(self):
        if self.among is not None:
            object.__setattr__(self, "among", checked_numbers("among", self.among, 1e-3))
            object.__setattr__(self, "low", min(self.among))
            object.__setattr__(self, "high", max(self.among))
        object.__setattr__(self, "low", checked_number("low", self.low, 1e-3))
        object.__setattr__(self, "high", checked_number("high", self.high, self.low))

    def transform(self, images, seed):  # noqa: D102
        size = tf.cast(tf.shape(images)[1:3], tf.float32)
        size = tf.cast(tf.round(size * _number(seed, self.low, self.high, self.among)), tf.int32)
        return tf.image.resize(images, tf.maximum(size, 1))


@dataclass(frozen=True)
class Rotate(Transform):
    """Turns the images about their middle by a random angle, bilinear; their size stays.

    Attributes:
        degrees: the largest angle either way; all between are alike likely. Positive is counterclockwise.
        among: angles to choose from instead; `degrees` then is the largest of these, either way.
        fill: what comes in at the corners, a value in units, or "reflect" for the image's mirror image. For images
            without a range, the value that is neutral there, often 0.

    Raises:
        SettingError: a setting is out of range.

    Example:
        >>> image = tf.reshape(tf.range(4.0), (1, 2, 2, 1))
        >>> Rotate(among=[90]).transform(image, tf.constant([0, 1])).numpy()[0, ..., 0].round(3).tolist()
        [[1.0, 3.0], [0.0, 2.0]]
    """

    degrees: float = 10.0
    among: tuple[float, ...] | None = None
    fill: float | str = 0.5

    def __post_init__(self):
        if self.among is not None:
            object.__setattr__(self, "among", checked_numbers("among", self.among))
            object.__setattr__(self, "degrees", max(map(abs, self.among)))
        object.__setattr__(self, "degrees", checked_number("degrees", self.degrees, 0))
        object.__setattr__(self, "fill", _checked_fill(self.fill))

    def transform(self, images, seed):  # noqa: D102
        angle = _number(seed, -self.degrees, self.degrees, self.among) * (math.pi / 180)
        return tf.ensure_shape(rotated(images, angle, self.fill), images.shape)


@dataclass(frozen=True)
class Noise(Transform):
    """Adds Gaussian noise, the same to all images.

    Attributes:
        deviation: its standard deviation, in units; 0 or more.

    Raises:
        SettingError: the setting is out of range.

    Example:
        >>> noisy = Noise(0.1).transform(tf.zeros((1, 64, 64, 3)), tf.constant([0, 1]))
        >>> round(float(tf.math.reduce_std(noisy)), 2)
        0.1
    """

    deviation: float

    def __post_init__(self):
        object.__setattr__(self, "deviation", checked_number("deviation", self.deviation, 0))

    def transform(self, images, seed):  # noqa: D102
        drawn = tf.random.stateless_normal(tf.shape(images)[1:], seed, dtype=images.dtype, alg="philox")
        return images + self.deviation * drawn


def _checked_fill(fill):
    return fill if isinstance(fill, str) and fill == "reflect" else checked_number("fill", fill)


def _require_larger(images, pixels, name):
    """Refuse images that are too small, where their size is known before they run."""
    sizes = [size for size in images.shape[1:3] if size is not None]
    if sizes and min(sizes) <= pixels:
        raise SettingError(
            f"{name} of {pixels} pixels for images of {images.shape[1]} × {images.shape[2]}",
            expected=f"at most {min(sizes) - 1} pixels",
            mend="Use kerasviz.synthesis.standard(height, width), whose steps fit the size",
        )


def _whole(seed, shape, low, high):
    """Whole numbers from `low` to `high`, both included."""
    return tf.random.stateless_uniform(shape, seed, low, high + 1, tf.int32, alg="philox")


def _number(seed, low, high, among):
    """One of some numbers, or one from a range."""
    if among is None:
        return tf.random.stateless_uniform([], seed, low, high, alg="philox")
    return tf.gather(tf.constant(among), _whole(seed, [], 0, len(among) - 1))


def standard(height: int, width: int, fill: float = 0.5) -> tuple[Transform, ...]:
    """Lucid's standard transforms, for images of a size.

    They are a frame of 12 pixels, a jitter of 8, a factor from 0.9 to 1.1, an angle from -10 to 10 degrees and a
    jitter of 4. Lucid has them for 128 to 224 pixels. Those for other sizes move by the same share of the shorter
    side as at 128 or 224 pixels, whichever is nearer; what comes to less than half a pixel is left out.

    Args:
        height: of the images, in pixels.
        width: of the images.
        fill: of the frame and the corners, in units; 0.5 is the middle of a range.

    Raises:
        SettingError: a size is not a whole number from 1 up, or the fill is no number.

    Example:
        >>> standard(32, 32)[:2]
        (Pad(pixels=3, fill=0.5), Jitter(pixels=2))
    """
    shorter = min(checked_count("height", height), checked_count("width", width))
    share = shorter / min(max(shorter, 128), 224)
    frame, first, last = (math.floor(pixels * share + 0.5) for pixels in (12, 8, 4))
    scale = Scale(among=tuple(1 + step / 50 for step in range(-5, 6)))
    # With five more zeros, an image stays upright in 6 of 26 steps.
    rotate = Rotate(among=(*range(-10, 11), *[0] * 5), fill=fill)
    moves = (frame and Pad(frame, fill), first and Jitter(first), scale, rotate, last and Jitter(last))
    return tuple(move for move in moves if move)


#: Lucid's standard transforms, for images of 128 to 224 pixels; `standard` has those for other sizes.
STANDARD = standard(128, 128)
