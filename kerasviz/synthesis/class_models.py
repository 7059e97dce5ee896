"""`ClassModel`: the image that a class is to a network, and a penalty of its strength."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kerasviz.checks import checked_number
from kerasviz.data.preprocessing import as_function, check_mode
from kerasviz.errors import KerasvizWarning, SettingError
from kerasviz.synthesis.making import as_objective, ground, optimizer_settings, recorded
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.record import SynthesizedImages
from kerasviz.synthesis.regularizers import Lp
from kerasviz.synthesis.settings import UNBOUNDED, space_of

#: Modes whose inputs are not centred: no pixel value between black and white becomes zero.
_NOT_CENTRED = {"none": 127.5, "scale": 0.5}


class ClassModel:
    """Makes the image that is best for a class, held back by its own strength: made once, called often.

    Simonyan, Vedaldi and Zisserman 2013, "Deep Inside Convolutional Networks", section 2:

        arg max over I of  S_c(I) - weight · ‖I‖²

    `S_c` is the score of the class before softmax and sigmoid, not its probability, which can also be raised by
    lowering other classes. `I` is what the network takes, less the mean image: the search begins at `I = 0`, and the
    norm is a sum of squares over all values. There is no range of values. On a linear network, `S_c(I) = ⟨w, I⟩ + b`,
    the result is `w / (2 · weight)`.

    Args:
        model: any built Keras model, or the path of a saved one.
        weight: of the penalty, over 0: without one, scores of most networks grow without end. The paper gives no
            value. Networks of rectifiers answer to an image twice as strong with nearly twice the score, so the
            strength of the result goes as 1 / weight: look at `np.asarray(made).std()`, and at half the weight it
            will be about twice that. A weight so large that zero is the best image leaves noise of nearly zero.
        preprocess: a mode of `kerasviz.data.preprocess`. The search is among the network's inputs all the same; the
            images that are returned are those that the mode would make these inputs of, which may leave 0 to 255 and
            are drawn cut off. None for images that are the network's inputs themselves.
        mean: the mean image, as the network takes it: a number, one for each channel, or `(H, W, C)`. None for 0, and
            for the middle grey with the modes "none" and "scale", whose inputs are not centred. A network that
            rescales by itself from 0 to 255 wants `preprocess="none"`, or `mean=127.5`.
        value_range: the values that are drawn black and white, where there is no mode; None to draw each image in a
            range of its own.
        size: height and width, or one number for both; None for those of the network. Images of another size than
            the network's are resized before it sees them.
        optimizer: of Keras; a copy is used. None for SGD with momentum 0.9 and steps of 0.01 / `weight`, which fit
            the penalty whatever the units of the input. Adam leads to noisier images, since it makes all values move
            alike; but where activations saturate (ReLU6, swish) the default steps can be too large, and those of
            Adam, of about a hundredth of the inputs' range, are not.
        input: the name of the input that is the image, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images are made at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input is an image, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is out of range, or the preprocessing is a function.

    Example:
        >>> import keras, kerasviz as kv
        >>> model = keras.Sequential([keras.Input((4, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
        >>> made = kv.ClassModel(model, weight=0.5)([0, 2])
        >>> w = model.layers[-1].kernel.numpy()
        >>> bool(np.allclose(made.images.reshape(2, -1), w.T[[0, 2]] / (2 * 0.5), atol=1e-3))
        True
    """

    def __init__(
        self,
        model,
        *,
        weight: float,
        preprocess: str | None = None,
        mean=None,
        value_range: tuple[float, float] | None = None,
        size: int | tuple[int, int] | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        input: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 16,
        sample=None,
    ):
        self.weight = checked_number("weight", weight, 0)
        if self.weight == 0:
            raise SettingError(
                "weight=0: the score of a network can grow without end, and of a linear one does",
                expected="a weight over 0",
                mend="To raise a score within a range of values, use ActivationMaximization",
            )
        if callable(preprocess):
            raise SettingError(
                "The preprocessing is a function, whose inverse is not known",
                expected="a mode of kerasviz.data.preprocess, or None",
                mend="Leave it out: images are then the network's inputs, whose mean image is zero or mean=",
            )
        self._mode = None if preprocess is None else check_mode(preprocess)
        opened = ground(model, size=size, value_range=UNBOUNDED, input=input, sample=sample)
        if self._mode is not None:
            _check_channels(self._mode, opened.space.channels)
        self._mean = _checked_mean(_NOT_CENTRED.get(self._mode, 0.0) if mean is None else mean, opened.space)
        self._ground = dataclasses.replace(opened, prepare=lambda images: images + self._mean)
        self._shown = dataclasses.replace(
            opened, preprocess=self._mode, space=_shown_space(opened, self._mode, value_range)
        )
        self.batch_size = batch_size
        values = self._ground.space.height * self._ground.space.width * self._ground.space.channels
        self._optimizer = optimizer or keras.optimizers.SGD(0.01 / self.weight, momentum=0.9)
        self._ascent = self._ground.ascent(
            others,
            parametrization=Pixels(deviation=0.0),
            # The penalty is a mean over the values, the paper's a sum.
            regularizers=(Lp(self.weight * values),),
            optimizer=self._optimizer,
        )

    @property
    def network(self):
        """The network, opened."""
        return self._ground.network

    def __call__(
        self,
        target,
        *,
        steps: int = 256,
        look: int = 16,
        patience: int | None = None,
        keep: str = "best",
        snapshots: Sequence[int] = (),
        callbacks: Sequence[Callable] = (),
    ) -> SynthesizedImages:
        """Make images of classes.

        Args:
            target: a class number, or a list with one for each image; or any targets, as for
                `ActivationMaximization`.
            steps: at most.
            look: steps between two looks; what is returned was seen in one of them.
            patience: stop a batch after so many looks without a better image.
            keep: of each image the "best" look, by score less penalty, or the "last".
            snapshots: steps after which the images are kept, for `SynthesizedImages.save_gif`.
            callbacks: functions that get each `kerasviz.synthesis.watching.Look`, whose images are `I`; one that
                returns True ends the batch.

        Raises:
            SettingError: a setting is out of range.
            TargetError: the target does not fit the network.

        Warns:
            KerasvizWarning: an image has no gradient to begin with, a score is not finite, or nothing better than
                the mean image was found.
        """
        objective, names = as_objective(target)
        climb = self._ascent.run(
            objective,
            len(names),
            steps=steps,
            look=look,
            patience=patience,
            keep=keep,
            snapshots=snapshots,
            callbacks=callbacks,
            batch_size=self.batch_size,
            title="Class models",
        )
        _warn_of_none(climb, keep)
        climb = dataclasses.replace(
            climb, images=self._pictures(climb.images), snapshots=self._pictures(climb.snapshots)
        )
        settings = {
            "method": "class_model",
            "weight": self.weight,
            "mean": self._mean.tolist(),
            "optimizer": optimizer_settings(self._optimizer),
            "steps": steps,
            "look": look,
            "keep": keep,
        }
        return recorded(climb, names, self._shown, settings)

    def _pictures(self, images):
        """What becomes inputs of the network, by the mode; without one these inputs."""
        inputs = images + self._mean
        return inputs if self._mode is None else unprepared(inputs, self._mode)


def unprepared(inputs: np.ndarray, mode: str) -> np.ndarray:
    """The images that a mode of preprocessing makes some inputs of: neither rounded nor cut off.

    Args:
        inputs: `(…, C)` float32.
        mode: of `kerasviz.data.preprocess`.
    """
    channels = inputs.shape[-1]
    # Every mode is `x @ matrix + offset`, with its channels perhaps in another order.
    prepare = as_function(mode)
    offset = prepare(np.zeros((1, channels)))
    matrix = prepare(np.eye(channels)) - offset
    return ((inputs - offset) @ np.linalg.inv(matrix)).astype(np.float32)


def _warn_of_none(climb, keep):
    stuck = np.flatnonzero(climb.steps == 0)
    if keep == "best" and len(stuck):
        warnings.warn(
            f"Nothing better than the mean image was found for the images {stuck[:10].tolist()}: the steps were too "
            "large. Take optimizer=keras.optimizers.Adam(…) with steps of about a hundredth of the inputs' range",
            KerasvizWarning,
            stacklevel=3,
        )


def _check_channels(mode, channels):
    try:
        fits = as_function(mode)(np.zeros((1, channels))).shape[-1] == channels
    except ValueError:
        fits = False
    if not fits:
        raise SettingError(
            f"preprocess={mode!r}, which is for colours, with images of {channels} channels",
            expected="three channels",
            mend="Choose the preprocessing that the network was trained with",
        )


def _checked_mean(mean, space):
    try:
        array = np.asarray(mean, np.float32)
        np.broadcast_to(array, space.shape)
    except (TypeError, ValueError):
        array = np.float32(np.nan)
    if not np.isfinite(array).all():
        raise SettingError(
            f"mean={mean!r}",
            expected=f"a number, one for each channel, or an image {space.shape}, as the network takes them",
            mend="Preprocess the mean image as the network's images are",
        )
    return array


def _shown_space(opened, mode, value_range):
    """The images as they are returned, and the values drawn black and white."""
    if mode is not None and value_range is not None:
        raise SettingError(
            f"value_range={value_range!r} with preprocess={mode!r}",
            expected="images of 0 to 255, as all modes take them",
            mend="Leave value_range out",
        )
    return space_of(
        opened.network,
        opened.number,
        size=(opened.space.height, opened.space.width),
        preprocess=mode,
        value_range=UNBOUNDED if mode is None and value_range is None else value_range,
    )
