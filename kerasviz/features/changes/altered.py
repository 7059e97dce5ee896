"""A network whose features on images are compared with those on altered copies: reading what the user gave."""

from dataclasses import dataclass

import numpy as np

from kerasviz.errors import InputError, LayerError
from kerasviz.network import Address, Network


@dataclass(frozen=True)
class Subject:
    """A network, layers of it, and the inputs of which one is an image that will be altered.

    Attributes:
        network: the network, opened.
        arrays: its inputs, flat and checked.
        number: which of them holds the images, `(N, H, W, C)`.
        addresses: of the layers, in the order asked, each once.
    """

    network: Network
    arrays: list[np.ndarray]
    number: int
    addresses: tuple[Address, ...]

    @classmethod
    def of(cls, model, inputs, layers) -> "Subject":
        """Open a model and check what goes with it.

        Args:
            model: any built Keras model, or the path of a saved one.
            inputs: what it takes, with a batch axis.
            layers: one layer or several, each as `Network.address` takes it; or a function that picks them, of the
                network.

        Raises:
            InputError: the inputs do not fit, or none or several of them are images.
            LayerError: a layer is unknown, returns several tensors, or does not see the image.
        """
        network = Network(model, sample=inputs)
        arrays = network.inputs.check(inputs)
        number = _image_input(network, arrays)
        asked = layers(network) if callable(layers) else layers
        asked = list(asked) if isinstance(asked, list | tuple) else [asked]
        if not asked:
            raise LayerError("No layer was given", expected="one layer or several", mend="Name a layer")
        addresses = tuple(dict.fromkeys(network.address(layer) for layer in asked))
        for address in addresses:
            _check_layer(network, address, network.inputs.specs[number].name)
        return cls(network, arrays, number, addresses)

    @property
    def images(self) -> np.ndarray:
        """The images, `(N, H, W, C)`; do not write to them."""
        return self.arrays[self.number]

    def with_images(self, inputs: list, images) -> list:
        """Flat inputs, with other images in the place of theirs."""
        return [images if n == self.number else given for n, given in enumerate(inputs)]

    def rounded(self, images: np.ndarray) -> np.ndarray:
        """Altered images in the dtype that the model takes."""
        dtype = self.images.dtype
        return images.astype(dtype) if dtype.kind == "f" else np.rint(images).astype(dtype)


def _image_input(network, arrays):
    numbers = [n for n, array in enumerate(arrays) if array.ndim == 4]
    if len(numbers) != 1:
        listed = ", ".join(f"{spec.name!r} {spec.shape}" for spec in network.inputs.specs)
        raise InputError(
            f"{len(numbers)} of the inputs of {network.name!r} are images: {listed}",
            expected="one input of the shape (N, H, W, C)",
            mend="Build a model of the part that looks at one image",
        )
    return numbers[0]


def _check_layer(network, address, image):
    if network.trace.shape_of(address.path) is None:
        raise LayerError(
            f"The layer {str(address)!r} returns several tensors, or runs inside a loop",
            expected="a layer with one output",
            mend="Take a layer inside it or behind it",
        )
    if image not in network.trace.sources_of(address):
        raise LayerError(
            f"The layer {str(address)!r} does not depend on the input {image!r}",
            expected="a layer that sees the image",
            mend="Take a layer behind the image",
        )
