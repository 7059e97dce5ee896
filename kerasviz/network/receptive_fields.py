"""The receptive fields of layers: which pixels a unit of a feature map can see, by arithmetic on the traced network."""

import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import tensorflow as tf

from kerasviz.errors import KerasvizWarning, LayerError, SettingError
from kerasviz.network.field_following import follow
from kerasviz.network.field_reach import Lost, Reach
from kerasviz.network.layers import Address
from kerasviz.network.network import Network

#: The length of an axis of the image that a model leaves open.
FREE_LENGTH = 224


@dataclass(frozen=True)
class ReceptiveField:
    """Which pixels the units of a layer see, along each spatial axis of the image (rows, columns).

    Unit `j` of an axis sees the pixels from `start + stride * j` on, `size` of them; those beyond the image are
    padding. Behind upsampling, transposed convolutions, mirrored borders and the merger of paths that differ, what
    units see is of no such form, and the numbers are those of a bound that holds all of it. The pixels between the
    taps of a dilated convolution count as seen, and a unit that holds nothing but padding has a box all the same.

    Attributes:
        layer: its address.
        input: the name of the image input; of several the first that the layer has a map of.
        start: the first pixel of unit 0, counted from 0, negative in padding.
        stride: the distance of two units, in pixels.
        size: in pixels.
        count: how many units there are.
        image: how many pixels the image has.
        limits: no unit sees beyond this first and this last pixel. They are not always those of the image: strides
            and crops on the way may leave pixels at its edges out.
        whole: whether a unit may also see the whole image by another path: a squeeze-and-excitation gate, a
            normalization over space, attention. The other numbers then describe the local paths alone.
    """

    layer: str
    input: str
    start: tuple[Fraction, ...]
    stride: tuple[Fraction, ...]
    size: tuple[Fraction, ...]
    count: tuple[int, ...]
    image: tuple[int, ...]
    limits: tuple[tuple[Fraction, Fraction], ...]
    whole: bool

    def box(self, position, clip: bool = True) -> tuple[int, ...]:
        """The pixels that a unit sees.

        Args:
            position: of the unit, a whole number for each axis.
            clip: leave out padding.

        Returns:
            The first pixel along each axis, then the one behind the last: `(y0, x0, y1, x1)`.

        Raises:
            SettingError: there is no such unit.
        """
        position = tuple(np.atleast_1d(position).tolist())
        fits = len(position) == len(self.count) and all(isinstance(place, int) for place in position)
        if not fits or not all(0 <= place < count for place, count in zip(position, self.count, strict=True)):
            raise SettingError(
                f"position={position} is no unit of {self.layer!r}",
                expected=f"whole numbers from 0 to {tuple(count - 1 for count in self.count)}",
                mend="Units are counted from 0, rows first",
            )
        ends = [reach.pixels(place, clip) for reach, place in zip(self._reaches(), position, strict=True)]
        return tuple(first for first, _ in ends) + tuple(behind for _, behind in ends)

    def centres(self, axis: int) -> np.ndarray:
        """Where the centres of the units' fields lie along an axis, `(count,)`, in pixels whose centres are whole."""
        first = self.start[axis] + (self.size[axis] - 1) / 2
        return float(first) + float(self.stride[axis]) * np.arange(self.count[axis])

    def __str__(self):
        numbers = {"sees": self.size, "every": self.stride, "from": self.start, "units": self.count}
        sees, every, start, units = (" x ".join(map(short, values)) for values in numbers.values())
        more = ", and by other paths the whole image" if self.whole else ""
        return f"{self.layer}: {units} units see {sees} pixels, every {every} from {start} on{more}"

    def _reaches(self):
        for axis, (low, high) in enumerate(self.limits):
            yield Reach(axis, self.start[axis], self.stride[axis], self.size[axis], self.count[axis], low, high)


def short(value) -> str:
    """A pixel number as text: whole, or with at most three digits behind the point."""
    return f"{float(value):.3f}".rstrip("0").rstrip(".")


def receptive_field(network: Network, layer=None, size=None) -> ReceptiveField:
    """The receptive field of a layer's units.

    Args:
        network: the network, opened.
        layer: as `Network.address` takes it.
        size: rows and columns of the image where the model leaves them open, or one number for all axes; by default
            224. Padding "same" depends on it.

    Raises:
        LayerError: the layer has no map over the image (behind Flatten or a global pooling), or only paths by
            which a unit sees the whole image lead to it.
        SettingError: the model takes no images of this size.

    Example:
        >>> import keras
        >>> layers = keras.layers
        >>> model = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(4, 3), layers.MaxPooling2D(2, name="p")])
        >>> field = receptive_field(Network(model), "p")
        >>> str(field), field.box((1, 0)), field.centres(0)[:2].tolist()
        ('p: 15 x 15 units see 4 x 4 pixels, every 2 x 2 from 0 x 0 on', (2, 0, 6, 4), [1.5, 3.5])
    """
    address = network.address(layer)
    found, reasons = _found(network, [address], size)
    if address in reasons:
        raise reasons[address]
    _warn(found)
    return found[address][0]


def receptive_fields(network: Network, layers=None, size=None) -> dict[str, ReceptiveField]:
    """The receptive fields of several layers, from one trace of the network.

    Args:
        network: the network, opened.
        layers: a list, each as `Network.address` takes it; by default all.
        size: as for `receptive_field`.

    Returns:
        A dict from addresses to fields, in the order asked. Layers whose units have none are left out.

    Raises:
        LayerError: there is no such layer.
        SettingError: the model takes no images of this size.
    """
    if layers is None:
        reached = [path for path in network.layers if network.trace.shape_of(path) is not None]
        addresses = [Address(path) for path in reached if not network.trace.in_loop(path)]
    else:
        addresses = [network.address(layer) for layer in layers]
    found, _ = _found(network, addresses, size)
    _warn(found)
    return {str(address): field for address, (field, _) in found.items()}


def _found(network, addresses, size):
    """The fields with the unknown ops on the way, and for the layers without one the error that says why."""
    images = _images(network, size)
    graph, inputs, outputs = _trace(network, addresses, images, size)
    fields = {number: follow(graph, inputs[number], range(1, 1 + len(lengths))) for number, lengths in images.items()}
    found, reasons = {}, {}
    for address, tensor in zip(addresses, outputs, strict=True):
        seen = {number: of[tensor.name] for number, of in fields.items() if tensor is not None and tensor.name in of}
        local = {number: reaches for number, field in seen.items() if (reaches := _local(field, images[number]))}
        if not local:
            reasons[address] = _reason(address, tensor, seen, images)
            continue
        number, reaches = next(iter(local.items()))
        name = network.inputs.specs[number].name
        field = ReceptiveField(
            layer=str(address),
            input=name,
            start=tuple(reach.start for reach in reaches),
            stride=tuple(reach.stride for reach in reaches),
            size=tuple(reach.size for reach in reaches),
            count=tuple(reach.count for reach in reaches),
            image=images[number],
            limits=tuple((reach.low, reach.high) for reach in reaches),
            whole=seen[number].whole,
        )
        found[address] = field, seen[number].unknown
    return found, reasons


def _images(network, size):
    """The image inputs by number, with the lengths of their spatial axes."""
    specs = network.inputs.specs
    shapes = {number: spec.shape[1:-1] for number, spec in enumerate(specs) if len(spec.shape) >= 3}
    if not shapes:
        # Token numbers become a map behind their embedding.
        shapes = {n: spec.shape[1:] for n, spec in enumerate(specs) if len(spec.shape) == 2 and not spec.floating}
    return {number: _lengths(shape, size) for number, shape in shapes.items()}


def _lengths(shape, size):
    given = tuple(np.atleast_1d(FREE_LENGTH if size is None else size).tolist())
    given = given * len(shape) if len(given) == 1 else given
    whole = all(isinstance(length, int) and length > 0 for length in given)
    fixed = [own is None or size is None or own == length for own, length in zip(shape, given, strict=False)]
    if not whole or len(given) != len(shape) or not all(fixed):
        raise SettingError(
            f"size={size!r} is no size of an image that the model takes",
            expected=f"positive whole numbers that fit {tuple(shape)}",
            mend="Leave size out where the model fixes it",
        )
    return tuple(own or length for own, length in zip(shape, given, strict=True))


def _trace(network, addresses, images, size):
    """A traced run on one image, its inputs, and the output of each layer, None where there are several."""

    def body(*tensors):
        activations = network.forward(list(tensors), dict.fromkeys(addresses)).activations
        return [activations[address] for address in addresses]

    signature = []
    for number, spec in enumerate(network.inputs.specs):
        lengths = images.get(number, spec.shape[1:])
        signature.append(tf.TensorSpec((1, *lengths, *spec.shape[1 + len(lengths) :]), spec.dtype))
    try:
        done = tf.function(body, input_signature=signature, autograph=False).get_concrete_function()
    except ValueError as error:
        shapes = [spec.shape[1:] for spec in network.inputs.specs]
        if size is None and all(length is not None for shape in shapes for length in shape):
            raise
        raise SettingError(
            f"{network.name!r} does not run on images of {' and '.join(map(str, images.values()))} pixels",
            expected="a size that its layers can take",
            mend="Give another one with size=",
        ) from error
    outputs = tf.nest.pack_sequence_as(done.structured_outputs, done.outputs)
    return done.graph, done.inputs, [output if isinstance(output, tf.Tensor) else None for output in outputs]


def _local(field, lengths):
    """What the units of a map see along each spatial axis; None if the tensor is no map."""
    own = [[factor.axis for factor in along if isinstance(factor, Reach)] for along in field.axes]
    if own != [[], *([axis] for axis in range(len(lengths))), []]:
        return None
    try:
        return [field.reach(axis).settled() for axis in range(1, 1 + len(lengths))]
    except Lost:
        return None


def _reason(address, tensor, seen, images):
    what = f"The layer {str(address)!r} has no receptive field"
    if tensor is None:
        return LayerError(
            f"{what}: it returns several tensors",
            expected="a layer with one output",
            mend="Take a layer inside it or behind it",
        )
    spatial = tensor.shape.rank in {len(lengths) + 2 for lengths in images.values()}
    if seen and spatial and tensor.shape[1:-1].num_elements() != 1:
        unknown = sorted(frozenset().union(*(field.unknown for field in seen.values())))
        why = (
            f"nothing is known of {', '.join(unknown)}"
            if unknown
            else "no known path keeps the image's positions apart"
        )
        return LayerError(
            f"{what}: {why}",
            expected="a layer that some convolutions, poolings and the like lead to",
            mend="Take a layer before those that mix all positions",
        )
    return LayerError(
        f"{what}: its output {tuple(tensor.shape)} has no positions along the axes of an image",
        expected="a layer with a spatial feature map",
        mend="Take a layer before Flatten or the global pooling",
    )


def _warn(found):
    unknown = sorted(frozenset().union(*(ops for _, ops in found.values())))
    if unknown:
        warnings.warn(
            f"Nothing is known of what {', '.join(unknown)} sees: behind it units count as seeing the whole image",
            KerasvizWarning,
            stacklevel=3,
        )
