"""Feature maps: what layers anywhere in a network answer to images, all in one pass (LeCun et al. 1998, figure 2)."""

import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import LayerError, SettingError
from kerasviz.features.maps.activations import Activations
from kerasviz.network import Address, Network
from kerasviz.network.network import chunks
from kerasviz.network.spatial import is_spatial


class FeatureMaps:
    """The activations of some layers of one model: constructed once, called often.

    One compiled pass gives all layers. Memory is bounded by `batch_size`, apart from the result itself, which takes
    4 bytes a value: the sum of the layers' `h * w * C * 4` for each image. All maps of EfficientNet-Lite0 at
    224 x 224 are 80 MB an image, the last one alone is 250 kB. For numbers over a data set of any size use
    `channel_statistics`, which keeps no map.

    Args:
        model: any built Keras model, the path of a saved one, or a `Network`. It is never modified.
        layers: None for the last layer with a spatial map; `"all"` for every layer that makes one (for each of its
            calls, if it is called several times; layers that pass one on, such as Dropout, are left out); or one
            layer or a list of them, each a path, an index into `model.layers` or a layer object. A path may end in
            `@k` for the k-th call of a shared layer. Layers without positions, such as Dense, may be named, too.
        batch_size: how many samples run at once; changes no value beyond rounding.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Attributes:
        network: the model, opened.
        addresses: where it is tapped, in the order of the result.

    Raises:
        ModelError: the model cannot be opened.
        LayerError: no layer or several fit, a layer gives no single tensor with a channel axis, or runs in a loop.
        SettingError: `batch_size` is no whole number from 1 up, or `layers` is empty.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8, 12, 3)), keras.layers.Conv2D(4, 3, name="conv"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, name="scores")])
        >>> maps = FeatureMaps(model, ["conv", "scores"])(np.zeros((2, 8, 12, 3), "float32"))
        >>> {layer: values.shape for layer, values in maps.values.items()}
        {'conv': (2, 6, 10, 4), 'scores': (2, 5)}
    """

    def __init__(self, model, layers=None, *, batch_size: int = 32, sample=None):
        self.batch_size = checked_count("batch_size", batch_size)
        self.network = opened(model, sample)
        self.addresses = addresses_of(self.network, layers)
        self._run = self.network.function(self._maps)

    def __call__(self, inputs) -> Activations:
        """The activations of a batch.

        Args:
            inputs: what `model.predict` takes, with a batch axis.

        Returns:
            `Activations` with float32 values `(N, *space, C)` for each layer, whatever the model computes in.

        Raises:
            InputError: the inputs do not fit the model, are empty, or hold NaN.
        """
        arrays = self.network.inputs.check(inputs)
        count, start = len(arrays[0]), 0
        results: list[np.ndarray] = []
        with progress.bar(count, "feature maps") as advance:
            for chunk in chunks(arrays, self.batch_size):
                parts = [part.numpy() for part in self._run(chunk)]
                # Filled in place: joining the parts at the end would take twice the memory.
                results = results or [np.empty((count, *part.shape[1:]), np.float32) for part in parts]
                for result, part in zip(results, parts, strict=True):
                    result[start : start + len(part)] = part
                start += len(chunk[0])
                advance(len(chunk[0]))
        return Activations({str(address): result for address, result in zip(self.addresses, results, strict=True)})

    def _maps(self, tensors):
        found = self.network.forward(tensors, self.addresses).activations
        return [tf.cast(found[address], tf.float32) for address in self.addresses]


def opened(model, sample=None) -> Network:
    """A model as a `Network`; one that is open already stays as it is."""
    return model if isinstance(model, Network) else Network(model, sample=sample)


def addresses_of(network: Network, layers) -> tuple[Address, ...]:
    """The addresses that `layers=` means, each once; see `FeatureMaps`.

    Raises:
        LayerError: no layer or several fit, or a layer gives no single tensor with a channel axis.
        SettingError: none is given.
    """
    if isinstance(layers, str) and layers == "all":
        return _every_map(network)
    asked = layers if isinstance(layers, list | tuple) else [layers]
    if not asked:
        raise SettingError("layers=[] names no layer", expected="at least one layer", mend='Give a path, or "all"')
    return tuple(dict.fromkeys(_with_channels(network, network.address(layer)) for layer in asked))


def _every_map(network):
    inside = tuple(f"{path}/" for path in network.layers if "Attention" in network.entry(path).kind)
    found = tuple(
        Address(call.path, call.index if network.trace.calls_of(call.path) > 1 else -1)
        for call in network.trace.calls
        if is_spatial(call.shape, network.inputs) and not call.passes_on and not call.path.startswith(inside)
    )
    if not found:
        raise LayerError(
            'layers="all": the model has no layer with a spatial feature map',
            expected="a convolutional network, whose layers keep the image's axes",
            mend="Name the layers by their paths",
        )
    return found


def _with_channels(network, address):
    shapes = [call.shape for call in network.trace.calls if call.path == address.path]
    # Layers in loops have no call here; tapping them raises an error of its own.
    if shapes and (shapes[address.call] is None or len(shapes[address.call]) < 2):
        raise LayerError(
            f"The layer {str(address)!r} gives no single tensor with samples and channels",
            expected="a layer with one output of the shape (N, …, C)",
            mend="Take a layer inside it or behind it",
        )
    return address
