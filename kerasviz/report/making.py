"""`write_report`: the whole page, from the model and the images to the file."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasviz import progress
from kerasviz.plotting.notices import warn
from kerasviz.report.notices import noticed
from kerasviz.writing import write_whole


def write_report(
    model,
    images,
    path,
    *,
    methods=None,
    targets=None,
    top: int = 2,
    output: str | None = None,
    labels: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    display=None,
    measures: Mapping | None = None,
    commands: Sequence[str] = (),
    title: str | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> Path:
    """Write the page of a model and some images: what it is made of, what it says of each image, and why.

    One file: styles, scripts and pictures are inside, nothing is fetched, and it can be mailed or printed. For each
    image it holds the top predictions and a matrix of maps, a row for each class and a column for each method. Sliders
    mix images and maps, a click enlarges a map, and a switch gives all maps of a method one colour range, so that
    strengths can be compared over images and classes. Without JavaScript all maps are there, mixed as
    `kerasviz.plotting` would draw them. The same arguments give the same bytes on the same machine.

    20 images of 224 x 224 with the default methods and two classes each are about 3 MB, and take about half a minute
    on two cores with a network of a few million parameters. Pictures are kept at up to 288 pixels on the longer side.
    Memory holds one batch of images and the page; the values of maps wait in a temporary file, 4 bytes a pixel.

    Args:
        model: any built Keras model with one input of images, or the path of a saved one.
        images: `(N, H, W, C)`, as the model takes them.
        path: where to; a file that is there is replaced, whole or not at all.
        methods: names of methods, in any spelling that `kerasviz.explain` takes, or explainers of this model. By
            default `DEFAULT_METHODS`. Those that do not fit the model are left out, with a warning and on the page.
        targets: class numbers that are explained for every image, beside its top classes.
        top: how many of each image's top classes are explained; may be 0 with `targets`.
        output: the name of the output, needed if the model has several.
        labels: names of the classes, in the order of the outputs.
        names: of the images, such as those of their files.
        display: N pictures to show for the images, if other than the inputs: as `kerasviz.plotting.display_image`
            takes them, of any sizes. They must show what the inputs show, to the same edges.
        measures: figures of the images that were computed elsewhere, such as localization or faithfulness: by name
            `(N,)` numbers, or such by the names of methods. NaN or None where there is none. Means stand at the top.
        commands: lines that made the report, to be repeated.
        title: of the page; by default the model's name.
        batch_size: how many images are explained at once; bounds the memory, changes nothing that is seen.
        seed: for methods that draw at random.

    Returns:
        The path.

    Raises:
        ModelError: not a Keras model, or no method fits it.
        InputError: images, names, pictures or measures do not fit the model or each other, hold NaN, or the model has
            several inputs, or one that is no image.
        TargetError: there is no such class or output, or several outputs and none was named.
        SettingError: a method is unknown, or labels or another setting make no sense.
        SaveError: the file cannot be written.

    Warns:
        KerasvizWarning: what the methods warn of, after the page is written; it says the same.

    Example:
        >>> from kerasviz.data import shapes
        >>> scenes = shapes.scenes(2, seed=1)
        >>> write_report(
        ...     shapes.shapes_model(), scenes.images, "report.html", labels=shapes.CLASSES, methods=["grad-cam"]
        ... ).name
        'report.html'
    """
    from kerasviz.pages import render
    from kerasviz.report import architecture, asking, explaining, filling

    notices: list[str] = []
    with noticed(notices):
        asked = asking.settle(
            model,
            images,
            path,
            methods=methods,
            targets=targets,
            top=top,
            output=output,
            labels=labels,
            names=names,
            display=display,
            measures=measures,
            commands=commands,
            title=title,
            batch_size=batch_size,
            seed=seed,
        )
        found = architecture.describe(asked.network, asked.model, asked.inputs.shape[1:3])
    kept = dict.fromkeys(notices)
    with progress.bar(len(asked.inputs) * len(asked.methods), "Explaining") as advance:
        explained, tops = explaining.explain_images(asked, kept, advance)
    page = render(
        __package__,
        "report.html.j2",
        notices=list(kept),
        versions=_versions(),
        model=found,
        **filling.fill(asked, explained, tops),
    )
    written = write_whole(path, page)
    for title, reason in asked.left_out.items():
        warn(f"{title} is left out. {reason}")
    for notice in kept:
        warn(notice)
    return written


def _versions():
    import keras
    import tensorflow as tf

    import kerasviz

    return {
        "kerasviz": kerasviz.__version__,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "Python": platform.python_version(),
    }
