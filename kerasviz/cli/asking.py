"""What `--channel`, `--neuron`, `--layer` and the like mean, before any model is open."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kerasviz.errors import SettingError

_ALL = "all"
_NUMBERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


@dataclass(frozen=True)
class Units:
    """Channels of a layer, or neurons at one position of them.

    Attributes:
        given: what the user wrote, with the option.
        layer: its path.
        numbers: of the channels; None for all.
        position: row and column; None for the middle.
    """

    given: str
    layer: str
    numbers: tuple[int, ...] | None
    position: tuple[int, ...] | None = None


def parse_channels(given: Sequence[str]) -> list[Units]:
    """Channels from "LAYER:3", "LAYER:0-15", "LAYER:3,8-15" and "LAYER:all".

    Raises:
        SettingError: an entry is something else.
    """
    return [_units("--channel", entry, positions=False) for entry in given]


def parse_neurons(given: Sequence[str]) -> list[Units]:
    """Neurons from what `parse_channels` takes, and "@ROW,COLUMN" behind it.

    Raises:
        SettingError: an entry is something else.
    """
    return [_units("--neuron", entry, positions=True) for entry in given]


def parse_numbers(text: str) -> tuple[int, ...] | None:
    """The numbers of "3,8-15" in their order, each once; None for a text that is something else."""
    text = text.replace(" ", "")
    if not _NUMBERS.fullmatch(text):
        return None
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if last and int(last) < int(first):
            return None
        numbers += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(numbers))


def parse_range(given: str | None) -> tuple[float, float] | None:
    """The smallest and the largest value from "LOW,HIGH".

    Raises:
        SettingError: it is something else.
    """
    if given is None:
        return None
    try:
        low, high = map(float, given.split(","))
        fits = low < high and (low == float("-inf")) == (high == float("inf"))
    except ValueError:
        fits = False
    if not fits:
        raise SettingError(
            f"--value-range {given!r}",
            expected="the smallest and the largest value of images: LOW,HIGH",
            mend="For example --value-range 0,1, or --value-range=-1,1, or --value-range=-inf,inf for no range",
        )
    return low, high


def parse_layers(given: Sequence[str]) -> dict[str, float] | None:
    """The weights of layers, by their paths, from "PATH" and "PATH=WEIGHT"; None for no layer.

    Raises:
        SettingError: a weight is no number, or a layer is there twice.
    """
    layers = {}
    for entry in given:
        path, equals, weight = entry.partition("=")
        try:
            number = float(weight) if equals else 1.0
        except ValueError:
            number = math.nan
        if not (path.strip() and math.isfinite(number) and number):
            raise SettingError(
                f"--layer {entry!r}",
                expected="a layer, or a layer and its weight: PATH=WEIGHT",
                mend="For example --layer mixed3 --layer mixed5=0.5",
            )
        if path.strip() in layers:
            raise SettingError(f"--layer {path} is there twice", expected="each layer once", mend="Take it out")
        layers[path.strip()] = number
    return layers or None


def positive(option: str, value: float, over: float = 0):
    """Refuse a number that is not over another, or not finite.

    Raises:
        SettingError: it is not.
    """
    if not over < value < math.inf:
        raise SettingError(f"{option} {value:g}", expected=f"a number over {over}", mend="Leave it out for the default")


def _units(option, entry, *, positions):
    layer, colon, which = entry.rpartition(":")
    which, at, place = which.partition("@") if positions else (which, "", "")
    numbers = None if which.strip() == _ALL else parse_numbers(which)
    position = tuple(map(int, place.split(","))) if re.fullmatch(r"\d+(,\d+)*", place) else None
    if not (colon and layer) or (numbers is None and which.strip() != _ALL) or (at and position is None):
        shape = "LAYER:NUMBERS@ROW,COLUMN" if positions else "LAYER:NUMBERS"
        example = "base/conv5:12@3,4" if positions else "base/conv5:0-15"
        raise SettingError(
            f"{option} {entry!r}",
            expected=f"{shape}, where numbers are 3, 0-15, 3,8-15 or all",
            mend=f"For example {option} {example}",
        )
    return Units(f"{option} {entry}", layer.strip(), numbers, position)
