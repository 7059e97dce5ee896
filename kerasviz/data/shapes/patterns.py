"""Patterns in two tones: the textures of objects and the backgrounds of scenes.

Every pattern is an array in 0..1, the weight of the second tone. Its edges are about a pixel wide.
"""

import math

import cv2
import numpy as np


def texture(name: str, across: np.ndarray, down: np.ndarray, period: float) -> np.ndarray:
    """Return a texture at coordinates in pixels, with the given period in pixels."""
    turn = 2 * math.pi / period
    slope = period / 4
    if name == "stripes":
        wave = np.sin(across * turn)
    elif name == "dots":
        wave = np.cos(across * turn) + np.cos(down * turn) - 0.55
    elif name == "checks":
        wave = 1.3 * np.sin(across * turn * 0.8) * np.sin(down * turn * 0.8)
    else:  # zigzag
        bent = across + np.abs(np.mod(down, period) - period / 2)
        wave = np.sin(bent * turn)
    return np.clip(0.5 + slope * wave, 0, 1)


def background(name: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a `(height, width)` background pattern, drawn with `rng`."""
    unit = min(height, width) / 64
    a, b, c, d = rng.random(4, dtype=np.float32)
    x = np.arange(width, dtype=np.float32)[None] + np.float32(16 * a * unit)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(16 * b * unit)
    if name == "clouds":
        return _clouds(height, width, unit, rng)
    if name == "bricks":
        return _bricks(x, y, (6 + 4 * c) * unit, unit)
    if name == "grid":
        step = (7 + 6 * c) * unit
        return np.maximum(_line(x, step, unit), _line(y, step, unit))
    if name == "waves":
        step = (8 + 6 * c) * unit
        bend = (2 + 2 * d) * unit * np.sin(x * (0.25 + 0.15 * a) / unit)
        return np.clip(0.5 + 0.3 * step * np.sin((y + bend) * (2 * math.pi / step)), 0, 1)
    if name == "rays":
        aside, above = x - (0.1 + 0.8 * c) * width, y - (0.1 + 0.8 * d) * height
        angle = np.arctan2(above, aside)
        spokes = np.sin(angle * (7 + int(5 * a)) + 6 * b)
        return np.clip(0.5 + 0.2 * (np.abs(aside) + np.abs(above)) * spokes, 0, 1)
    return _hills(x / unit, y / unit, 64 * height / min(height, width), rng)


def _line(position, step, width):
    """Lines of a width of about one `width`, one every `step`."""
    return np.clip(0.5 + width * 0.75 - np.abs(np.mod(position, step) - step / 2), 0, 1)


def _bricks(x, y, step, unit):
    odd = np.mod(np.floor(y / step + 0.5), 2)
    upright = _line(x + odd * step, 2 * step, unit)
    return np.maximum(upright, _line(y + step, step, unit))


def _clouds(height, width, unit, rng):
    cells = (math.ceil(height / (11 * unit)) + 1, math.ceil(width / (11 * unit)) + 1)
    noise = rng.random(cells, dtype=np.float32)
    return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * 1.6 - 0.3, 0, 1)


def _hills(x, y, tall, rng):
    a, b, c, d = rng.random(4)
    far = tall * (0.35 + 0.3 * a) + 5 * np.sin(x * (0.08 + 0.06 * b) + 6 * c)
    near = far + 10 + 4 * np.sin(x * (0.1 + 0.06 * d) + 6 * a)
    return 0.6 * np.clip(y - far, 0, 1) + 0.4 * np.clip(y - near, 0, 1)
