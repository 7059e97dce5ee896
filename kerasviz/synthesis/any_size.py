"""A network that was built for one size of images, on images of any size: its convolutions do not mind."""

import keras
import tensorflow as tf

from kerasviz.errors import ModelError
from kerasviz.network import Network, internals
from kerasviz.network.layers import Address, walk
from kerasviz.network.twins import Twins


def of_any_size(model, network: Network, number: int, layers) -> tuple[keras.Model, list[Address]]:
    """The part of a model up to some feature maps, with free axes in the place of the height and width of an image.

    It shares the weights of the model, which stays as it is. Models inside it are opened.

    Args:
        model: any built Keras model.
        network: the same, opened.
        number: of the input that is the image, among the flat ones.
        layers: of the feature maps, each as `Network.address` takes it.

    Returns:
        A functional model with the inputs of the model, and the addresses of the same feature maps in it.

    Raises:
        LayerError: there is no such layer.
        ModelError: a part of the model depends on the size, or a feature map is inside of a layer that is no model.
    """
    addresses = [network.address(layer) for layer in layers]
    twins = Twins(compute_dtype="float32")
    twin = twins.of(model)
    ids = twins.twin_ids()
    paths = {ids[id(layer)]: path for path, layer in walk(model) if id(layer) in ids}
    inputs = [keras.Input(spec.shape[1:], dtype=spec.dtype, name=spec.name) for spec in network.inputs.specs]
    spec = network.inputs.specs[number]
    inputs[number] = keras.Input((None, None, spec.shape[3]), dtype=spec.dtype, name=spec.name)
    wanted = [(address.path, range(network.trace.calls_of(address.path))[address.call]) for address in addresses]
    flat = _Flattening(paths, wanted)
    try:
        flat.run(twin)(network.inputs.pack(inputs))
    except _Reached:
        pass
    except Exception as error:  # whatever a layer raises on a tensor without a size
        raise _cannot(model.name, (None, None), error) from error
    missing = [path for path, call in wanted if (path, call) not in flat.found]
    if missing:
        raise ModelError(
            f"The layer {missing[0]!r} is inside a layer that cannot be opened",
            expected="a layer of the model or of a model inside it, for images of another size than the model's",
            mend="Take the layer around it, or make images of the model's own size, in one octave",
        )
    # Older versions of Keras warn where a list of one stands for its one.
    taken = inputs if len(inputs) > 1 else inputs[0]
    found = keras.Model(taken, [flat.found[at] for at in dict.fromkeys(wanted)], name=model.name)
    return found, [
        Address(flat.name_of(path), address.call) for (path, _), address in zip(wanted, addresses, strict=True)
    ]


def require_size(free: keras.Model, name: str, size: tuple[int, int]):
    """Refuse a size that a model with free axes cannot run on.

    Args:
        free: the model.
        name: of the input that is the image.
        size: height and width.

    Raises:
        ModelError: a part of it depends on another size, or the images are too small for it.
    """
    specs = [
        tf.TensorSpec((1, *size, tensor.shape[3]) if tensor.name == name else (1, *tensor.shape[1:]), tensor.dtype)
        for tensor in free.inputs
    ]
    try:
        tf.function(
            lambda *tensors: free(list(tensors) if len(tensors) > 1 else tensors[0], training=False), autograph=False
        ).get_concrete_function(*specs)
    except Exception as error:  # whatever a layer raises on a tensor of this size
        raise _cannot(free.name, size, error) from error


def _cannot(name, size, error):
    return ModelError(
        f"{name!r} cannot run on images of {'any size' if None in size else f'{size[0]} × {size[1]}'}: {error}",
        expected="convolutions, poolings and what else takes this size, up to the layer",
        mend="Make images of the model's own size, in one octave, or larger ones",
    )


class _Reached(Exception):
    """All wanted feature maps have been made."""


class _Flattening:
    """Calls the layers of a twin on symbolic tensors one by one, those of models inside it too.

    Args:
        paths: of the layers, by the `id()` of their twins.
        wanted: paths and numbers of calls.

    Attributes:
        found: what was wanted, as far as it was made.
    """

    def __init__(self, paths, wanted):
        self._paths, self._wanted, self._counts = paths, wanted, {}
        self.found = {}

    @staticmethod
    def name_of(path: str) -> str:
        """What a layer at a path is called in the flat graph: Keras allows no slashes."""
        return path.replace("/", ".")

    def run(self, operation):
        """What is called in the place of a layer, op or model."""

        def call(*args, **kwargs):
            graph = internals.graph_of(operation)
            if graph is not None and not internals.has_own_call(operation):
                outputs = internals.run_graph(graph, args[0], self.run)
                outputs = outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs
            else:
                # In one graph all names must differ; those inside of different models need not. Twins are ours.
                operation.__dict__["name"] = self.name_of(self._paths.get(id(operation), operation.name))
                outputs = operation(*args, **kwargs)
            path = self._paths.get(id(operation))
            at = (path, self._counts.get(path, 0))
            self._counts[path] = at[1] + 1
            if at in self._wanted:
                self.found[at] = outputs
                if len(self.found) == len(set(self._wanted)):
                    raise _Reached
            return outputs

        return call
