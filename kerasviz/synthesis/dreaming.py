"""`DeepDream`: photographs in which a network finds more of what it looks for."""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kerasviz.checks import checked_count, checked_number
from kerasviz.errors import InputError, SettingError
from kerasviz.network import Network
from kerasviz.network.loading import as_model
from kerasviz.synthesis.any_size import of_any_size, require_size
from kerasviz.synthesis.making import described, ground, recorded
from kerasviz.synthesis.octaves import joined_octaves, octave_sizes, resized
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.synthesis.transforms import Roll
from kerasviz.synthesis.watching import Climb
from kerasviz.targets import Layer, Target

#: Compiled octaves that are kept, the last used.
_KEPT = 8
#: The deviation of the noise that dreams without a photograph begin with, in units.
_NOISE = 0.1


class DeepDream:
    """Dreams: raises the mean square of layers on photographs, from coarse to fine. Made once, called often.

    Mordvintsev, Olah and Tyka 2015, "Inceptionism", and their notebook "DeepDream": the photograph is shrunk octave by
    octave. On the smallest, and then on each larger one, steps of gradient ascent are made, each gradient divided by
    the mean of its absolute values, on an image that is rolled by a random number of pixels. What the steps have
    added, the detail, is enlarged and added to the photograph of the next octave.

    Photographs may have another size than the images that the network takes, if all that it does up to the layers can
    be done at any size, as convolutions and poolings can: then its weights are used on the size of each octave.

    Args:
        model: any built Keras model, or the path of a saved one.
        layers: whose activations are raised: one, each as `Network.address` takes it, a list of some, or a dict from
            layers to weights. None for the last with a spatial feature map. Early layers give strokes and textures,
            late ones parts of things.
        octaves: how many sizes, the photograph's own included.
        octave_scale: by how much each octave is larger than the one before; over 1.
        step_size: by how much a step changes a value in the mean, as a share of the range of values; where images
            have no range, in values. The default is the notebook's 1.5 of 255.
        jitter: by how many pixels an image is rolled at most, either way, in each step; 0 for not at all.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a differentiable function of tensors that keeps their shape; None if the network
            takes them as they are.
        value_range: the smallest and the largest value of images, before `preprocess`; needed unless that is a mode.
            `(-inf, inf)` for no range.
        input: the name of the input that is the image, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images dream at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input is an image, or several could be meant.
        LayerError: there is no such layer.
        ModelError: the model cannot be opened.
        SettingError: a setting is out of range, or the range of values is not known.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> dream = kv.DeepDream(shapes.shapes_model(), {"relu4": 1.0, "relu5": 0.5}, octaves=2, value_range=(0, 255))
        >>> made = dream(shapes.scenes(2, seed=0).images.astype("float32"), steps=2)
        >>> made.shape, made.names[0]
        ((2, 64, 64, 3), 'layer relu4 + 0.5 * layer relu5')
    """

    def __init__(
        self,
        model,
        layers=None,
        *,
        octaves: int = 4,
        octave_scale: float = 1.4,
        step_size: float = 1.5 / 255,
        jitter: int = 32,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        input: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 16,
        sample=None,
    ):
        self.octaves = checked_count("octaves", octaves)
        self.octave_scale = checked_number("octave_scale", octave_scale)
        if self.octave_scale <= 1:
            raise SettingError(f"octave_scale={octave_scale!r}", expected="a number over 1", mend="1.4 is the default")
        self._pixels = Pixels(deviation=_NOISE)
        jitter = checked_count("jitter", jitter, least=0)
        self._setting = {
            "parametrization": self._pixels,
            "transforms": (Roll(jitter),) if jitter else (),
            "optimizer": keras.optimizers.SGD(checked_number("step_size", step_size, 1e-9)),
            "normalize": "mean_abs",
        }
        self._model, self._others, self.batch_size = as_model(model), others, batch_size
        # Each octave has a size of its own; here only the number of channels and the range matter.
        self._ground = ground(
            self._model, size=1, preprocess=preprocess, value_range=value_range, input=input, sample=sample
        )
        self._weights = self._weighted(layers)
        self._free, self._known = None, set()
        self._ascents: OrderedDict = OrderedDict()

    @property
    def network(self) -> Network:
        """The network, opened."""
        return self._ground.network

    @property
    def layers(self) -> dict[str, float]:
        """The weights of the layers, by address."""
        return {str(address): weight for address, weight in self._weights.items()}

    def __call__(
        self,
        images=None,
        *,
        steps: int = 10,
        seed: int = 0,
        count: int = 1,
        size: int | tuple[int, int] | None = None,
        snapshots: bool = False,
    ) -> SynthesizedImages:
        """Dream.

        Args:
            images: photographs, `(N, H, W, C)` before preprocessing; None to begin with noise.
            steps: on each octave.
            seed: of the noise and of the jitter.
            count: how many images, where there are no photographs.
            size: height and width of these, or one number for both; None for the network's own.
            snapshots: keep what each octave led to, enlarged, for `SynthesizedImages.save_gif`.

        Returns:
            The images, whose scores are those of the whole images, without jitter. Their history has a look before
            the first step of the smallest octave and one after the last step of each octave, on images of its size.

        Raises:
            InputError: the photographs do not fit the network or the range.
            ModelError: images of this size, or of a smaller octave's, need another size than the network's, and it
                cannot run at any other.
            SettingError: a setting is out of range, or no size is known.
        """
        steps = checked_count("steps", steps)
        photographs = self._photographs(images, count, size, seed)
        sizes = self._sizes(photographs.shape[1:3])
        detail, climbs, kept = 0.0, [], []
        for size in sizes:
            base = resized(photographs, size)
            start = base + resized(detail, size) if climbs else base
            climbs.append(self._dream(start, steps, seed))
            detail = climbs[-1].images - base
            if snapshots:
                kept.append(self._within(photographs + resized(detail, sizes[-1])))
        names = [_objective(self._weights).describe()] * len(photographs)
        place = dataclasses.replace(self._ground, space=self._space(sizes[-1]))
        return recorded(joined_octaves(climbs, kept, steps), names, place, self._settings(steps, seed, images))

    def _weighted(self, layers):
        """A dict from addresses to weights."""
        if isinstance(layers, Mapping):
            given = {self.network.address(layer): checked_number("weight", weight) for layer, weight in layers.items()}
        elif isinstance(layers, Sequence) and not isinstance(layers, str):
            given = {self.network.address(layer): 1.0 for layer in layers}
        else:
            given = {self.network.address(layers): 1.0}
        if not any(given.values()):
            raise SettingError(
                f"layers={layers!r}", expected="at least one layer, of a weight that is not 0", mend="Name a layer"
            )
        # Layers that are no feature maps are refused here.
        _objective(given).addresses(self.network)
        return given

    def _photographs(self, images, count, size, seed):
        spec = self.network.inputs.specs[self._ground.number]
        if images is None:
            size = spec.shape[1:3] if size is None else (size, size) if isinstance(size, int) else tuple(size)
            if None in size:
                raise SettingError(
                    "There are no photographs, and the model takes images of any size",
                    expected="a size",
                    mend="Pass size=(height, width)",
                )
            height, width = (checked_count("size", side) for side in size)
            space = self._space((height, width))
            [units] = self._pixels.start(space, checked_count("count", count), seed)
            return space.of_unit(units)
        array = np.asarray(images)
        if array.ndim != 4 or array.shape[3] != spec.shape[3] or 0 in array.shape:
            raise InputError(
                f"The photographs have the shape {array.shape}",
                expected=f"(N, H, W, {spec.shape[3]})",
                mend="Add the batch axis: images[None]",
            )
        return dataclasses.replace(self._ground, space=self._space(array.shape[1:3])).start(array)

    def _sizes(self, size):
        """Height and width of each octave, the smallest first."""
        sizes = octave_sizes(size, self.octaves, self.octave_scale)
        others = [shape for shape in sizes if not self._fits(shape)]
        if others and self._free is None:
            self._free = self._freed()
        # Each size is traced once: before any step of any octave.
        for shape in {*others} - self._known:
            require_size(self._free[0].model, self._ground.input, shape)
            self._known.add(shape)
        return sizes

    def _fits(self, size):
        """Whether the network as it is takes images of a size."""
        own = self.network.inputs.specs[self._ground.number].shape[1:3]
        return None in own or tuple(size) == own

    def _freed(self):
        """The network with free axes, and the weights of the layers in it."""
        number = self._ground.number
        model, addresses = of_any_size(self._model, self.network, number, list(self._weights))
        opened = dataclasses.replace(self._ground, model=model, network=Network(model))
        return opened, dict(zip(addresses, self._weights.values(), strict=True))

    def _dream(self, start, steps, seed) -> Climb:
        """One octave."""
        space = self._space(start.shape[1:3])
        opened, weights = (self._ground, self._weights) if self._fits(start.shape[1:3]) else self._free
        ascent = self._ascents.get(space)
        if ascent is None:
            ascent = dataclasses.replace(opened, space=space).ascent(self._others, **self._setting)
            self._ascents[space] = ascent
        self._ascents.move_to_end(space)
        while len(self._ascents) > _KEPT:
            self._ascents.popitem(last=False)
        return ascent.run(
            _objective(weights),
            len(start),
            steps=steps,
            seed=seed,
            images=self._within(start),
            look=steps,
            keep="last",
            batch_size=self.batch_size,
            title=f"DeepDream, {space.height} × {space.width}",
        )

    def _space(self, size) -> ImageSpace:
        """Images of a size."""
        return dataclasses.replace(self._ground.space, height=size[0], width=size[1])

    def _within(self, images):
        """Images, cut off at the ends of the range."""
        return images.clip(self._ground.space.low, self._ground.space.high).astype(np.float32)

    def _settings(self, steps, seed, images):
        return {
            "method": "deep_dream",
            "layers": self.layers,
            "octaves": self.octaves,
            "octave_scale": self.octave_scale,
            "step_size": float(self._setting["optimizer"].learning_rate),
            "transforms": [described(each) for each in self._setting["transforms"]],
            "steps": steps,
            "seed": seed,
            "from_images": images is not None,
        }


def _objective(weights) -> Target:
    parts = [Layer(address) if weight == 1 else weight * Layer(address) for address, weight in weights.items()]
    return sum(parts[1:], parts[0])
