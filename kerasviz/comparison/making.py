"""`compare`: two models, from their layers to their explanations."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kerasviz.attribution import methods as all_methods
from kerasviz.attribution.one_call import method_name
from kerasviz.checks import checked_count, checked_seed
from kerasviz.comparison import looking
from kerasviz.comparison.facts import take_apart
from kerasviz.comparison.pairing import side_by_side
from kerasviz.comparison.record import Comparison
from kerasviz.errors import InputError, KerasvizWarning, ModelError, SettingError
from kerasviz.network.loading import as_model
from kerasviz.predictions import Classes

#: The method that is asked by default, as in `kerasviz.explain`.
DEFAULT_METHOD = "grad_cam"


def compare(
    a,
    b,
    images=None,
    *,
    images_b=None,
    methods: Sequence[str] | str | None = None,
    target=None,
    output: str | None = None,
    labels: Sequence[str] | None = None,
    labels_b: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    settings: Mapping | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> Comparison:
    """Compare two models: layers, weights and, on images, what they say and where they look.

    Layers are paired by their weights and paths, and what is left by its place in order (see
    `kerasviz.comparison.matching.match_layers`), so that layers that were added, removed or renamed are told as such. A
    bare graph has ops in the place of layers: beside a Keras model its weights alone are compared.

    Costs one reading of all weights, a traced pass of each model, and what the methods cost on the images.

    Args:
        a: the first model, any built Keras model or the path of a saved one.
        b: the second.
        images: `(N, H, W, C)`, as the first model takes them; None compares layers and weights only.
        images_b: the same images as the second model takes them, if it takes other values or sizes.
        methods: names of methods, or one, in any spelling that `kerasviz.explain` takes; "all" for those that are not
            slow. By default Grad-CAM. That, and what "all" means, is left out with a warning if it does not fit.
        target: the class number that is explained in both models, or one for each image; by default the class that
            the first model predicts, and where the models have other classes each one's own.
        output: the name of the output, for models with several.
        labels: names of the classes of the first model.
        labels_b: of the second; by default those of the first, if it has as many classes.
        names: of the images, such as those of their files.
        settings: of the methods, such as {"layer": "conv5"}: a layer of the first model, or that which became of it.
        batch_size: how many images run at once.
        seed: for methods that draw at random.

    Returns:
        A `Comparison`; its `repr` sums up what was found.

    Raises:
        ModelError: not a Keras model, or one that declares no inputs, without images.
        InputError: the images do not fit.
        TargetError: there is no such class or output, or several outputs and none was named.
        SettingError: a method or a setting is unknown, or the models do not take images.
        RuleError: a method that was named does not fit one of the models; LayerError likewise.

    Warns:
        KerasvizWarning: a method is left out, or what the methods warn of.

    Example:
        >>> import keras
        >>> from kerasviz.comparison import compare
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="hidden")])
        >>> other = keras.models.clone_model(model)
        >>> other.set_weights([weight * 1.5 for weight in model.get_weights()])
        >>> round(compare(model, other).layers[0].relative, 6)
        0.5
    """
    batch_size, seed = checked_count("batch_size", batch_size), checked_seed(seed)
    asked = _read_methods(methods)
    target = looking.as_target(target)
    about_images = {"images_b": images_b, "names": names, "methods": methods, "target": target, "settings": settings}
    _check_images_given(images, about_images)
    anatomies = _opened(a, images, "first"), _opened(b, images if images_b is None else images_b, "second")
    if images is None:
        return side_by_side(*anatomies)
    # Images, classes and methods may be refused, before all weights are read.
    sides = _sides(anatomies, images, images_b, target, output, labels, labels_b, names)
    found = side_by_side(*anatomies)
    explainers, left_out = sides.explainers(
        asked,
        settings or {},
        {pair.a.path: pair.b.path for pair in found.layers} if found.by_layers else {},
        drop_unfit=methods in (None, "all"),
        batch_size=batch_size,
        seed=seed,
    )
    for name, reason in left_out.items():
        warnings.warn(f"{name} is left out. {reason}", KerasvizWarning, stacklevel=2)
    answers = sides.answers(batch_size)
    return replace(
        found,
        images=tuple(answers),
        maps=tuple(sides.moves(answers, explainers)),
        same_classes=sides.same_classes,
        left_out=left_out,
        notes=(*found.notes, *_notes_of(sides, target, anatomies)),
    )


def _read_methods(given):
    if isinstance(given, str) and given.lower() == "all":
        return [name for name, kind in all_methods().items() if not kind.slow]
    asked = [DEFAULT_METHOD] if given is None else [given] if isinstance(given, str) else given
    return list(dict.fromkeys(map(method_name, asked)))


def _check_images_given(images, about_them):
    if images is None:
        given = [name for name, value in about_them.items() if value is not None]
        if given:
            raise InputError(
                f"{given[0]} came without images",
                expected="images as the first model takes them",
                mend=f"Pass images=, or leave {given[0]} out",
            )
        return
    for name in ("images_b", "names"):
        given = about_them[name]
        if given is not None and len(given) != len(images):
            raise InputError(
                f"{name} holds {len(given)}, and there are {len(images)} images",
                expected="one for each image, in the same order",
                mend=f"Correct {name}",
            )


def _opened(model, sample, which):
    try:
        return take_apart(as_model(model), sample)
    except ModelError as error:
        raise type(error)(f"The {which} model: {error.given}", expected=error.expected, mend=error.mend) from error


def _sides(anatomies, images, images_b, target, output, labels, labels_b, names):
    for anatomy, which in zip(anatomies, ("first", "second"), strict=True):
        looking.check_images(anatomy, which)
    (inputs,) = anatomies[0].network.inputs.check(images)
    try:
        (inputs_b,) = anatomies[1].network.inputs.check(images if images_b is None else images_b)
    except InputError as error:
        if images_b is not None:
            raise
        mend = "Pass the images as the second model takes them: images_b="
        raise InputError(f"The second model: {error.given}", expected=error.expected, mend=mend) from error
    classes = _classes(anatomies[0], labels, output)
    try:
        classes_b = _classes(anatomies[1], labels if labels_b is None else labels_b, output)
    except SettingError:
        if labels_b is not None:
            raise
        classes_b = _classes(anatomies[1], None, output)
    sides = looking.Sides(
        anatomies,
        (inputs, inputs_b),
        (classes, classes_b),
        [f"image {i + 1}" for i in range(len(inputs))] if names is None else [str(name) for name in names],
        target,
    )
    sides.check_target()
    return sides


def _classes(anatomy, labels, output):
    # Where there is one output, it is meant, whatever it is called.
    several = len(anatomy.network.trace.outputs) > 1
    return Classes(anatomy.network, labels, output if several else None)


def _notes_of(sides, target, anatomies):
    if not sides.same_classes:
        a, b = (classes.count for classes in sides.classes)
        others = f"{a} classes and {b}" if a != b else "classes of other names"
        goal = "each model's own top class" if target is None else "the class of that number in each"
        yield f"The models have {others}, so that their outputs cannot be compared; explained is {goal}."
    if sides.inputs[0].shape != sides.inputs[1].shape:
        sizes = [" × ".join(map(str, inputs.shape[1:3])) for inputs in sides.inputs]
        if sizes[0] != sizes[1]:
            yield f"Maps of the second model ({sizes[1]}) were resized to those of the first ({sizes[0]})."
