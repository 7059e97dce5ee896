"""Feature maps of a labelled data set, batch after batch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from kerasviz.data import preprocess
from kerasviz.data.concepts.base import ConceptData
from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features.dissection.reading import Batch, batches
from kerasviz.features.dissection.settings import Settings
from kerasviz.network.layers import Address
from kerasviz.network.network import Network


class Forward:
    """Runs a network over a labelled data set, and gives the feature maps of some layers.

    While one batch is worked on, the next runs and the ones after it are read.

    Args:
        network: with one image input.
        addresses: of the layers.
        data: the data set.
        settings: its `preprocess`, `basis` and `batch_size` matter.

    Attributes:
        shapes: `(rows, columns, units)` of each layer's feature map.

    Raises:
        InputError: the network does not take such images.
        LayerError: a layer has no map with rows, columns and channels.
        SettingError: the basis does not fit.
    """

    def __init__(self, network: Network, addresses: list[Address], data: ConceptData, settings: Settings):
        _check_input(network, data)
        self._data, self._settings = data, settings
        basis = None if settings.basis is None else tf.constant(settings.basis, tf.float32)

        def body(tensors):
            found = network.forward(tensors, addresses).activations
            maps = [tf.cast(found[address], tf.float32) for address in addresses]
            if basis is not None:
                maps = [tf.tensordot(each, basis, 1) for each in maps]
            return [(each, tf.reduce_max(each, [1, 2])) for each in maps]

        self.shapes = [_shape(network, address, data.image_size) for address in addresses]
        _check_basis(settings.basis, addresses, self.shapes)
        self._run = network.function(body)

    def over(self, order: np.ndarray, start: int, known=frozenset()) -> Iterator[tuple[Batch, list]]:
        """Yield batches with the feature maps `(n, rows, columns, U)` and their maxima `(n, U)` of each layer.

        Args:
            order: numbers of images.
            start: the place in it to begin at.
            known: numbers of images that cannot be read.
        """
        read = batches(self._data, order, start, self._settings.batch_size, known)
        with ThreadPoolExecutor(1) as ahead:
            waiting = None
            for batch in read:
                running = batch, ahead.submit(self._maps, batch)
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = running
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def _maps(self, batch):
        if not batch.samples:
            return []
        images = preprocess(np.stack([sample.image for sample in batch.samples]), self._settings.preprocess)
        return [tuple(np.asarray(part) for part in layer) for layer in self._run([images])]


def _check_input(network, data):
    specs = network.inputs.specs
    size = tuple(data.image_size)
    if len(specs) != 1 or len(specs[0].shape) != 4 or not specs[0].floating:
        raise InputError(
            f"The model takes {', '.join(f'{spec.name} {spec.shape} {spec.dtype}' for spec in specs)}",
            expected="one input of images, (None, height, width, channels)",
            mend="Dissect the part of the model that looks at the image",
        )
    if any(side not in (None, given) for side, given in zip(specs[0].shape[1:3], size, strict=True)):
        raise InputError(
            f"The images of the data set have {size[0]} x {size[1]} pixels",
            expected=f"{specs[0].shape[1]} x {specs[0].shape[2]}, as the model takes them",
            mend="Open the data set with image_size= that of the model",
        )


def _shape(network, address, size):
    shape = network.trace.shape_of(str(address))
    if shape is None or len(shape) != 4 or shape[-1] is None:
        raise LayerError(
            f"The layer {str(address)!r} makes {shape}",
            expected="a feature map (None, rows, columns, channels)",
            mend="`kerasviz inspect` lists the layers with their shapes",
        )
    if None in shape[1:3]:
        # Only a run tells what becomes of a size that is free.
        image = tf.TensorSpec((1, *size, network.inputs.specs[0].shape[-1]), tf.float32)
        done, _ = network.traced(lambda tensor: network.forward([tensor], [address]).activations[address], [image])
        shape = tuple(done.outputs[0].shape)
    return tuple(shape[1:])


def _check_basis(basis, addresses, shapes):
    if basis is None:
        return
    if len(addresses) != 1 or len(basis) != shapes[0][-1]:
        units = ", ".join(f"{address} with {shape[-1]}" for address, shape in zip(addresses, shapes, strict=True))
        raise SettingError(
            f"basis turns {len(basis)} units; dissected are {units}",
            expected="one layer with as many units",
            mend="Dissect layer by layer, each with a basis of its own",
        )
