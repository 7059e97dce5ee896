"""The steps of an ascent as TensorFlow ops, compiled for one kind of objective and one number of images."""

import warnings
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasviz.errors import KerasvizWarning, RuleError
from kerasviz.network import Network
from kerasviz.synthesis.normalizing import NORMALIZATIONS

#: Steps that take the redirected gradient where an image starts with none; as in lucid.
REDIRECTED_STEPS = 16


class View(NamedTuple):
    """What some images are, and how high the objective is on them, as arrays.

    Attributes:
        images: `(N, H, W, C)`, in the values of the space.
        scores: `(N,)`, the objective.
        penalties: `(N,)`, what the regularizers take off.
    """

    images: np.ndarray
    scores: np.ndarray
    penalties: np.ndarray


class Climber:
    """Parameters of some images on the device, and what moves and looks at them.

    Args:
        network: the network, opened.
        redirect: gives the network with the redirected gradient.
        setting: see `kerasviz.synthesis.ascent.Setting`.
        number: of the input that is the image.
        others: a batch of one of each other input.
        objective: what is raised.
        count: how many images.
    """

    def __init__(self, network: Network, redirect, setting, number, others, objective, count):
        self._network, self._redirect, self._setting = network, redirect, setting
        self._number, self._others, self._objective = number, others, objective
        self._addresses = objective.addresses(network)
        self._count, self._variables, self._functions = count, None, {}

    def begin(self, parameters: list[np.ndarray], arguments: list[np.ndarray], seed: int):
        """Set the images to a start.

        Args:
            parameters: as the parametrization makes them.
            arguments: of the objective.
            seed: of the transforms.
        """
        if self._variables is None:
            self._open(parameters)
        self._arguments = [tf.constant(array) for array in arguments]
        self._seed = tf.constant(seed, tf.int32)
        self._reset(parameters)

    def _reset(self, parameters):
        """Set parameters and optimizer to before the first step."""
        values = [*parameters, *self._fresh]
        for variable, value in zip([*self._variables, *self._optimizer.variables], values, strict=True):
            variable.assign(value)
        self._made = 0

    def look(self) -> View:
        """The images as they are, without transforms."""
        return View(*(part.numpy() for part in self._run("look", self._view)(self._arguments)))

    def advance(self, steps: int):
        """Make some steps."""
        if self._made == 0:
            steps -= self._first_steps(steps)
        if steps:
            self._moved(self._network, steps)

    def _first_steps(self, steps):
        """The first step, or where an image has no gradient the redirected ones; how many were made."""
        start = [variable.numpy() for variable in self._variables]
        if self._moved(self._network, 1).all():
            return 1
        try:
            network = self._redirect()
        except RuleError:
            network = None
        if network is None:
            warnings.warn(
                f"The objective {self._objective.describe()!r} has no gradient at the start of some images, and the "
                "network no rectifier to redirect one through: begin with another seed or from an image",
                KerasvizWarning,
                stacklevel=5,
            )
            return 1
        self._reset(start)
        steps = min(steps, REDIRECTED_STEPS)
        self._moved(network, steps)
        return steps

    def _moved(self, network, steps):
        """Make steps with the gradient of a network; which images had one in the last."""
        name = "advance" if network is self._network else "redirected"
        move = self._run(name, lambda *numbers: self._steps(network, *numbers), *[tf.TensorSpec((), tf.int32)] * 3)
        alive = move(self._arguments, tf.constant(self._made), tf.constant(self._made + steps), self._seed)
        self._made += steps
        return alive.numpy()

    def _open(self, parameters):
        given = self._setting.optimizer or keras.optimizers.Adam(0.05)
        # Made from its settings: the caller's own optimizer may be in use elsewhere.
        self._optimizer = type(given).from_config(given.get_config())
        self._variables = [keras.Variable(array, dtype="float32", name=f"p{i}") for i, array in enumerate(parameters)]
        self._optimizer.build(self._variables)
        self._fresh = [np.array(variable) for variable in self._optimizer.variables]

    def _run(self, name, body, *extra):
        if name not in self._functions:
            specs = [tf.TensorSpec(part.shape, part.dtype) for part in self._arguments]
            traced = tf.function(body, input_signature=[specs, *extra], autograph=False)
            self._functions[name] = traced.get_concrete_function()
        return self._functions[name]

    def _images(self, parameters):
        return self._setting.parametrization.images(parameters, self._setting.space)

    def _view(self, arguments):
        images = self._images([variable.value for variable in self._variables])
        units = self._setting.space.unit(images)
        return images, self._score(self._network, units, arguments), self._penalty(units)

    def _penalty(self, units):
        return sum((each.penalty(units) for each in self._setting.regularizers), tf.zeros(self._count))

    def _score(self, network, units, arguments):
        """The objective on what the network sees of images in units."""
        shape = network.inputs.specs[self._number].shape[1:3]
        if None not in shape and tuple(units.shape[1:3]) != shape:
            units = tf.image.resize(units, shape)
        seen = self._setting.prepare(self._setting.space.of_unit(units))
        tensors = [
            seen if other is None else tf.repeat(tf.constant(other), self._count, axis=0) for other in self._others
        ]
        tensors[self._number] = tf.ensure_shape(seen, (self._count, *network.inputs.specs[self._number].shape[1:]))
        done = network.forward(tensors, self._addresses)
        return self._objective.score(network, done, arguments)

    def _steps(self, network, arguments, first, last, seed):
        """Steps from one number up to another; which images had a gradient in the last of them."""

        def step(t, alive):
            values = [tf.identity(variable.value) for variable in self._variables]
            gradients = self._gradients(network, values, arguments, t, seed)
            alive = tf.reduce_any(tf.stack([_any(gradient) for gradient in gradients]), axis=0)
            gradients = _where_finite(gradients)
            if self._setting.normalize:
                gradients = [NORMALIZATIONS[self._setting.normalize](gradient) for gradient in gradients]
            self._optimizer.apply(gradients, self._variables)
            moved = self._setting.parametrization.project(
                [variable.value for variable in self._variables], self._setting.space
            )
            for adjustment in self._setting.adjustments:
                moved = [adjustment.adjust(moved[0], -gradients[0], t)]
            for variable, value in zip(self._variables, moved, strict=True):
                variable.assign(value)
            # A transform whose window is tf.slice leaves the number of images open.
            return t + 1, tf.ensure_shape(alive, (self._count,))

        begun = (first, tf.zeros(self._count, tf.bool))
        return tf.while_loop(lambda t, _: t < last, step, begun, parallel_iterations=1)[1]

    def _gradients(self, network, values, arguments, t, seed):
        """The gradients of the loss: the penalties less the objective."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            units = self._setting.space.unit(self._images(values))
            seen = units
            for number, transform in enumerate(self._setting.transforms):
                # Each step and each transform draws anew: two numbers of 32 bits, mixed by the generator.
                seen = transform.transform(seen, tf.stack([seed, t * len(self._setting.transforms) + number]))
            loss = self._penalty(units) - self._score(network, seen, arguments)
        # Images are penalized and scored alone: the gradient of the sum is that of each.
        return tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _where_finite(gradients):
    """Gradients, zero for images where any is not finite."""
    finite = tf.reduce_all(tf.stack([~_any(~tf.math.is_finite(gradient)) for gradient in gradients]), axis=0)
    return [
        tf.where(tf.reshape(finite, (-1, *[1] * (gradient.shape.rank - 1))), gradient, 0.0) for gradient in gradients
    ]


def _any(gradient):
    """Which rows hold anything but zeros."""
    return tf.reduce_any(tf.cast(gradient, tf.bool), axis=list(range(1, gradient.shape.rank)))
