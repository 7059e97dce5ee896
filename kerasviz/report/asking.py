"""What a report is asked for, checked before any work."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import InputError, SaveError, SettingError, TargetError
from kerasviz.network import Network
from kerasviz.plotting import display_image
from kerasviz.predictions import Classes
from kerasviz.report.choosing import Method, keys_of, make_methods, read_methods
from kerasviz.report.measures import Measure, read_measures
from kerasviz.report.pictures import shrunk, webp
from kerasviz.writing import obstacle


@dataclass(frozen=True)
class Photograph:
    """An image as the page shows it: its address, height and width."""

    uri: str
    height: int
    width: int


@dataclass(frozen=True)
class Asked:
    """All that is settled before the first map is made.

    Attributes:
        model: the Keras model.
        network: the same, opened.
        classes: of the explained output.
        inputs: `(N, H, W, C)` as the network takes them.
        photographs: what to show for them.
        names: of the images.
        methods: that fit the model.
        left_out: by title, why others do not.
        targets: classes that are explained for every image.
        top: how many of each image's top classes are.
        measures: figures of the images.
        commands: that made the report.
        title: of the page.
        batch_size: images at once.
        options: what else the page names.
    """

    model: object
    network: Network
    classes: Classes
    inputs: np.ndarray
    photographs: list[Photograph]
    names: list[str]
    methods: list[Method]
    left_out: dict[str, str]
    targets: tuple[int, ...]
    top: int
    measures: list[Measure]
    commands: list[str]
    title: str
    batch_size: int
    options: dict = field(default_factory=dict)


def settle(
    model,
    images,
    path,
    *,
    methods,
    targets,
    top,
    output,
    labels,
    names,
    display,
    measures,
    commands,
    title,
    batch_size,
    seed,
) -> Asked:
    """Check everything, the cheap things first, and make the explainers; see `write_report`."""
    check_place(path)
    batch_size, seed, top = checked_count("batch_size", batch_size), checked_seed(seed), checked_count("top", top, 0)
    asked = read_methods(methods)
    commands = _lines("commands", [commands] if isinstance(commands, str) else commands)
    if title is not None and not isinstance(title, str):
        raise SettingError(f"title={title!r}", expected="a text", mend="Leave it out for the model's name")
    labels = None if labels is None else _lines("labels", labels)
    targets = _numbers(targets)
    if top == 0 and not targets:
        raise SettingError("top=0 without targets", expected="a class to explain", mend="Raise top, or name targets=")

    from kerasviz.network.loading import as_model

    model = as_model(model)
    network = Network(model)
    inputs = _pictures(network, images)
    count = len(inputs)
    names = [f"image {i + 1}" for i in range(count)] if names is None else _lines("names", names)
    if len(names) != count:
        raise InputError(
            f"There are {len(names)} names for {count} images", expected="a name each", mend="Leave names out"
        )
    figures = read_measures(measures, count, keys_of(asked))
    classes = Classes(network, labels, output)
    if wrong := [target for target in targets if target >= classes.count]:
        raise TargetError(
            f"targets holds {wrong[0]}, which is not among the {classes.count} classes",
            expected=f"0 to {classes.count - 1}",
            mend="Classes are counted from 0",
        )
    photographs = [_photograph(one) for one in _displayed(images, display, count)]
    made, left_out = make_methods(model, network, asked, seed=seed, batch_size=batch_size, output=output)
    return Asked(
        model,
        network,
        classes,
        inputs,
        photographs,
        names,
        made,
        left_out,
        targets,
        min(top, classes.count),
        figures,
        commands,
        title or f"Report on {network.name}",
        batch_size,
        {"output": output, "top": top, "targets": targets, "seed": seed, "batch_size": batch_size},
    )


def check_place(path) -> None:
    """Refuse a path at which no file can be written, as far as that can be known.

    Raises:
        SaveError: it is a folder, or lies where nothing may be written.
    """
    path = Path(path).absolute()
    reason = "it is a folder" if path.is_dir() else obstacle(path.parent)
    if reason:
        raise SaveError(
            f"{str(path)!r} cannot be written: {reason}", expected="a file to write", mend="Choose another name"
        )


def _lines(name, given):
    if isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray):
        raise SettingError(
            f"{name} is of the type {type(given).__name__}", expected="a list of texts", mend=f"Write {name}=[…]"
        )
    return [str(one) for one in given]


def _numbers(targets):
    given = () if targets is None else [targets] if isinstance(targets, int | np.integer) else targets
    try:
        numbers = [checked_count("targets", one, 0) for one in given]
    except (SettingError, TypeError) as error:
        raise TargetError(
            f"targets={targets!r}",
            expected="class numbers, explained for every image",
            mend="Use class numbers from 0, not labels",
        ) from error
    return tuple(dict.fromkeys(numbers))


def _pictures(network, images):
    """The images as the network takes them, if it takes images."""
    specs = network.inputs.specs
    if len(specs) > 1:
        raise InputError(
            f"The model {network.name!r} has {len(specs)} inputs: {', '.join(repr(spec.name) for spec in specs)}. "
            "A report of several inputs is not supported",
            expected="a model of one image",
            mend="Explain it by kerasviz.explain, which gives a map for each input",
        )
    if len(specs[0].shape) != 4:
        raise InputError(
            f"The input of {network.name!r} has the shape {specs[0].shape}. A report shows pictures",
            expected="a model of images, (N, H, W, C)",
            mend="Explain signals and volumes by kerasviz.explain(...).plot()",
        )
    return network.inputs.check(images)[0]


def _displayed(images, display, count):
    """What to show, an array or a list with a picture for each image."""
    if display is None:
        # Not as the network takes them: uint8 is shown as it is.
        return np.asarray(images)
    if not isinstance(display, Sequence | np.ndarray) or isinstance(display, str) or len(display) != count:
        found = f"{len(display)} pictures" if isinstance(display, Sequence | np.ndarray) else type(display).__name__
        raise InputError(
            f"display holds {found} for {count} images",
            expected="an array or a list with a picture for each image",
            mend="Leave display out to show the inputs",
        )
    return display


def _photograph(image):
    picture = display_image(image)
    if picture.ndim != 3:
        raise InputError(
            f"display holds an array of the shape {np.shape(image)}, which is a batch",
            expected="one picture for each image, (H, W) or (H, W, C)",
            mend="Leave its batch axis out",
        )
    picture = shrunk(picture)
    return Photograph(webp(picture), *picture.shape[:2])
