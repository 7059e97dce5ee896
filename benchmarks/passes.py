"""The bare compiled passes that methods are measured against, and the measuring."""

import time

import keras
import tensorflow as tf


def bare_passes(model, layer, size):
    """The compiled passes forward, to the input and to a layer, of a flat model that ends in a softmax."""
    scores = keras.models.clone_model(model)
    scores.set_weights(model.get_weights())
    scores.layers[-1].activation = keras.activations.linear
    signature = [tf.TensorSpec((None, size, size, 3)), tf.TensorSpec((None,), tf.int32)]
    feature_map = scores.get_layer(layer).output
    below, above = keras.Model(scores.inputs, feature_map), keras.Model(feature_map, scores.outputs)

    @tf.function(input_signature=signature, autograph=False)
    def forward(images, classes):
        return tf.gather(scores(images, training=False), classes, axis=1, batch_dims=1)

    @tf.function(input_signature=signature, autograph=False)
    def to_input(images, classes):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            score = tf.gather(scores(images, training=False), classes, axis=1, batch_dims=1)
        return tape.gradient(score, images)

    @tf.function(input_signature=signature, autograph=False)
    def to_layer(images, classes):
        activation = below(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(activation)
            score = tf.gather(above(activation, training=False), classes, axis=1, batch_dims=1)
        return activation, tape.gradient(score, activation)

    return forward, to_input, to_layer


def seconds_of(calls, rounds):
    """The seconds of each call in each round, after a first one that compiles."""
    for call in calls.values():
        call()
    seconds = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[key].append(time.perf_counter() - start)
    return seconds
