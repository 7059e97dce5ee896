"""What methods that change parts of an input have in common: many forward passes of variants, and no gradient."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import Attributed, Explainer
from kerasviz.attribution.fills import fill_like
from kerasviz.checks import checked_choice
from kerasviz.errors import SettingError
from kerasviz.network import Network
from kerasviz.targets import ClassScore, Target, as_target

#: How the variants can be computed: the dtype of the layers between float32 weights.
PRECISIONS = ("float32", "bfloat16")


class Sample(NamedTuple):
    """One sample of a batch, and the input of it that is perturbed.

    Attributes:
        goal: the target.
        tensors: the inputs, flat, of one row each.
        arguments: the target's settled arguments, of one row each.
        number: of the perturbed input.
        score: of the clean sample.
        companions: the method's own arrays, of one row each.
    """

    goal: Target
    tensors: list[tf.Tensor]
    arguments: list[tf.Tensor]
    number: int
    score: float
    companions: list[np.ndarray]

    @property
    def perturbed(self) -> tf.Tensor:
        """The perturbed input, `(1, *space, C)`."""
        return self.tensors[self.number]

    @property
    def space(self) -> tuple:
        """The sizes of the axes of space of the perturbed input."""
        return tuple(self.perturbed.shape[1:-1])


class Perturbation(Explainer):
    """A method that changes parts of an input and looks at what becomes of the score.

    It works on any input with axes of space, `(N, *space, C)`, floats or integers.

    In bfloat16 the largest and the mean difference from float32, as shares of the range of the worst map, were 1.1
    and 0.6 % (`Occlusion`, 8 pixels every 4), 1.3 and 0.4 % (`Ablation`), 3.0 and 0.7 % (`RISE`, 1000 masks, centred)
    and 6.4 and 0.7 % (`PredictionDifference`, 6 pixels every 3) over four scenes of `kerasviz.data.shapes` and its
    network; 10 and 2.9 % (`Occlusion`, 32 every 16) over three photographs and `kerasviz.data.imagenet_model`. On a
    CPU without instructions for it, bfloat16 is no faster than float32. Runs in it are not incremental.

    Args:
        model: any built Keras model, or the path of a saved one.
        inputs: which inputs are perturbed, one at a time while the others stay: a name, a number, or a list of
            these; None for every input with axes of space.
        probability: take a class's score after softmax or sigmoid. Scores before say more where the network is sure;
            targets that are no class score are taken as they are.
        precision: "bfloat16" computes the layers in it, between float32 weights and scores; see above and `Network`.
        batch_size: how many variants run at once; bounds the memory, changes no value.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` of the kind "heatmap", `(N, *space)`, signed: positive where the part speaks for
        the target. With several perturbed inputs a dict of these.

    Raises:
        SettingError: an input is unknown or has no axes of space, or a setting is out of range.
    """

    kind = "heatmap"

    def __init__(
        self,
        model,
        *,
        inputs=None,
        probability: bool = False,
        precision: str = "float32",
        batch_size: int = 32,
        sample=None,
    ):
        checked_choice("precision", precision, PRECISIONS)
        self.probability, self.precision = bool(probability), precision
        super().__init__(model, batch_size=batch_size, sample=sample)
        #: The numbers of the perturbed inputs.
        self.numbers = self._chosen(inputs)

    @property
    def settings(self):  # noqa: D102
        plain = {"probability": self.probability}
        return plain if self.precision == "float32" else {**plain, "precision": self.precision}

    @property
    def explained_inputs(self):  # noqa: D102
        return [self.network.inputs.specs[number].name for number in self.numbers]

    @abstractmethod
    def _map(self, sample: Sample, advance) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The map of one sample, `(*space)`, and further arrays; calls `advance` with the variants that have run."""

    def _of_variants(self, goal, tensors, arguments, variants, *, number):
        """The scores of variants `(P, *space, C)` of an input of one sample, inside a `tf.function`."""
        return self._scores(goal, *self.among(tensors, arguments, variants, number))[0]

    def filled(self, arrays, fill, seed: int) -> list[np.ndarray]:
        """What hides parts of each perturbed input; see `kerasviz.attribution.fills.fill_like`."""
        named = zip(self.numbers, self.explained_inputs, strict=True)
        return [fill_like(arrays[number], fill, name, seed) for number, name in named]

    def among(self, tensors, arguments, variants, number):
        """Variants of one input of a sample, with the sample's other inputs and its arguments repeated beside them.

        Returns:
            The inputs, and the arguments, with a row per variant.
        """
        count = tf.shape(variants)[0]
        inputs = [variants if n == number else tf.repeat(tensor, count, 0) for n, tensor in enumerate(tensors)]
        return inputs, [tf.repeat(argument, count, 0) for argument in arguments]

    def _open(self, model, sample):
        return Network(model, sample=sample, precision=self.precision)

    def _goal(self, target):
        goal = as_target(target)
        if self.probability and type(goal) is ClassScore:
            return ClassScore(goal.index, output=goal.output, probability=True, mask=goal.mask)
        return goal

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        tensors = [tf.convert_to_tensor(array) for array in arrays]
        score, settled = self._run(goal, self._scores, tensors, arguments)
        values, extras = [], []
        for number in self.numbers:
            done = []
            for row in range(len(score)):
                one = ([part[row : row + 1] for part in parts] for parts in (tensors, settled, companions))
                inputs, own, others = one
                done.append(self._map(Sample(goal, inputs, own, number, float(score[row]), others), advance))
            values.append(tf.stack([found.astype(np.float32) for found, _ in done]))
            extras.append({name: np.stack([more[name] for _, more in done]) for name in done[0][1]})
        return Attributed(values, score, settled, self._named(extras))

    def _named(self, extras):
        """Extras of all perturbed inputs; with several, behind the input's name."""
        if len(extras) == 1:
            return extras[0]
        named = zip(self.explained_inputs, extras, strict=True)
        return {f"{name}/{key}": values for name, more in named for key, values in more.items()}

    def _chosen(self, inputs):
        specs = self.network.inputs.specs
        spatial = [number for number, spec in enumerate(specs) if len(spec.shape) >= 3 and spec.dtype != "string"]
        names = {specs[number].name: number for number in spatial}
        wanted = list(spatial) if inputs is None else list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        found = [names.get(given, given) if isinstance(given, str) else given for given in wanted]
        if not found or any(not _is_number(given) or given not in spatial for given in found):
            listed = ", ".join(f"{spec.name!r} {spec.shape}" for spec in specs)
            raise SettingError(
                f"inputs={inputs!r} of a model with the inputs {listed}",
                expected=f"inputs with axes of space: {', '.join(map(repr, names)) or 'there is none'}",
                mend="Name one or several of them" if names else f"{self.title} hides parts of images and signals",
            )
        return list(dict.fromkeys(map(int, found)))


def _is_number(given):
    return isinstance(given, int | np.integer) and not isinstance(given, bool)
