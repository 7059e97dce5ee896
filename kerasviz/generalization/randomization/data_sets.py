"""The data sets of a randomization test: one and the same, true or corrupted in some way."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.generalization.randomization import corruption
from kerasviz.generalization.randomization.labels import class_numbers, in_form_of, is_one_hot
from kerasviz.network import Network

#: What can be done to the data.
KINDS = ("true", "corrupted", "random labels", "shuffled pixels", "random pixels", "gaussian")
_TOGETHER = 1024  # images that are checked or hashed at once


@dataclass(frozen=True)
class DataSet:
    """One of them.

    Attributes:
        name: as in `KINDS`; of labels corrupted in part with the share behind it.
        images: `(N, …)`, to train on.
        labels: their labels, as the model's loss takes them.
        classes: `(N, 2)` int32: of these labels, and of the true ones.
        validation: `(M, …)` images, or None. Their labels are the true ones.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    validation: np.ndarray | None


class DataSets:
    """Makes one data set at a time, and keeps none but the true one.

    Args:
        images: `(N, …)`, what the model takes.
        labels: N class numbers or one-hot rows.
        validation: such a pair, or None.
        kinds: some of `KINDS`.
        shares: of the labels that "corrupted" draws anew: a number or a sequence of them.
        seed: of the corruptions.

    Raises:
        InputError: numbers of images and labels differ, or labels are no classes.
        SettingError: a kind is unknown or there twice, or a share is out of range.
    """

    def __init__(self, images, labels, validation, *, kinds: Sequence[str], shares, seed: int):
        self.images, self.labels = _pair(images, labels, "")
        self.numbers = class_numbers(self.labels)
        self.validation = self.validation_labels = self.validation_numbers = None
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise InputError(
                    f"validation is a {type(validation).__name__}",
                    expected="a pair (images, labels)",
                    mend="Leave it out if there is none",
                )
            self.validation, self.validation_labels = _pair(*validation, "validation ")
            self.validation_numbers = class_numbers(self.validation_labels, name="validation labels")
            self._check_alike()
        self._seed, self._shares = seed, _named(kinds, shares)
        self.classes = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the data sets, in the order asked."""
        return tuple(self._shares)

    def check(self, network: Network, classes: int):
        """Check that a network can be trained on all of them.

        Args:
            network: takes the images.
            classes: how many it tells apart.

        Raises:
            InputError: the images or labels do not fit it, or hold NaN.
        """
        for images in self._all_images():
            for start in range(0, len(images), _TOGETHER):
                network.inputs.check(images[start : start + _TOGETHER])
        class_numbers(self.labels, classes)
        if self.validation is not None:
            class_numbers(self.validation_labels, classes, "validation labels")
        if "gaussian" in self._shares and not network.inputs.specs[0].floating:
            raise InputError(
                f"The model {network.name!r} takes images of the type {network.inputs.specs[0].dtype}",
                expected="an input of floating point numbers: Gaussian noise has fractions and negative values",
                mend="Declare the input as float32, or leave out the data set 'gaussian'",
            )
        self.classes = classes

    def make(self, name: str) -> DataSet:
        """One of the data sets; what it does not change is not copied."""
        images, numbers, validation = self.images, self.numbers, self.validation
        share = self._shares[name]
        if share is not None:
            numbers = corruption.corrupt_labels(numbers, share, self.classes, self._seed)
        elif name == "shuffled pixels":
            images = corruption.shuffled_pixels(images, self._seed)
            validation = None if validation is None else corruption.shuffled_pixels(validation, self._seed)
        elif name == "random pixels":
            images = corruption.random_pixels(images, self._seed)
            validation = None if validation is None else corruption.random_pixels(validation, self._other_seed)
        elif name == "gaussian":
            validation = (
                None if validation is None else corruption.gaussian_images(validation, self._other_seed, like=images)
            )
            images = corruption.gaussian_images(images, self._seed)
        classes = np.stack([numbers, self.numbers], axis=1).astype(np.int32)
        return DataSet(name, images, in_form_of(self.targets, numbers), classes, validation)

    @property
    def targets(self) -> np.ndarray:
        """The true labels as the model's loss takes them."""
        return _for_a_loss(self.labels)

    @property
    def validation_classes(self) -> np.ndarray:
        """`(M, 1)` int32: the true classes of the validation images."""
        return self.validation_numbers[:, None].astype(np.int32)

    @property
    def validation_targets(self) -> np.ndarray:
        """The same of the validation images."""
        return _for_a_loss(self.validation_labels)

    def fingerprint(self) -> str:
        """The SHA-256 of all images and labels, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for array in (*self._all_images(), self.labels, self.validation_labels):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape};".encode())
                for start in range(0, len(array), _TOGETHER):
                    digest.update(array[start : start + _TOGETHER].tobytes())
        return digest.hexdigest()

    @property
    def _other_seed(self):
        """Of the validation images, which must not be noised like the training images."""
        return (self._seed + 1) % 2**31

    def _all_images(self) -> Iterator[np.ndarray]:
        yield self.images
        if self.validation is not None:
            yield self.validation

    def _check_alike(self):
        wrong = self.validation.shape[1:] != self.images.shape[1:]
        if wrong or self.validation_labels.shape[1:] != self.labels.shape[1:]:
            raise InputError(
                f"Validation images {self.validation.shape} and labels {self.validation_labels.shape}",
                expected=f"those of the training data, {self.images.shape} and {self.labels.shape}, but for the number",
                mend="Prepare both in the same way",
            )


def _pair(images, labels, name):
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels) or not len(images):
        raise InputError(
            f"{name}images have the shape {images.shape}, {name}labels {labels.shape}".capitalize(),
            expected="a label for each image, and at least one",
            mend="Give arrays, not a tf.data.Dataset",
        )
    return images, labels


def _for_a_loss(labels):
    """Labels of a type that every loss and XLA can take."""
    return labels.astype(np.float32 if is_one_hot(labels) else np.int32)


def _named(kinds, shares) -> dict[str, float | None]:
    """The share of corrupted labels by the name of the data set; None where labels stay true."""
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise SettingError(
            f"data={unknown[0]!r}" if unknown else "data is empty",
            expected=f"some of {', '.join(map(repr, KINDS))}",
            mend="Leave it out for all of them",
        )
    shares = [shares] if isinstance(shares, Real) else list(shares)
    named = []
    for kind in kinds:
        if kind == "corrupted":
            named += [(f"corrupted {corruption.checked_share(share):g}", share) for share in shares]
        else:
            named.append((kind, 1.0 if kind == "random labels" else None))
    if len(dict(named)) < len(named) or not named:
        raise SettingError(
            f"data={kinds!r} and corruption={shares!r}", expected="each data set once", mend="Leave out what is double"
        )
    return dict(named)
