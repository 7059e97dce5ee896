"""Paths of layers from names of ops."""

from kerasviz.network.graph.naming import paths


def test_the_scope_around_all_ops_is_the_model():
    names = {0: "net/conv/Conv2D", 1: "net/conv/Relu", 2: "net/Relu"}
    assert paths(names, {}) == ("net", {0: "conv/Conv2D", 1: "conv/Relu", 2: "Relu"})


def test_ops_beside_it_keep_it_in_the_paths():
    names = {0: "resize/Bilinear", 1: "net/conv/Conv2D"}
    assert paths(names, {}) == ("", {0: "resize/Bilinear", 1: "net/conv/Conv2D"})
    assert paths({0: "Relu", 1: "net/Relu"}, {})[0] == ""


def test_a_number_that_keras_3_added_is_taken_off_each_scope():
    names = {0: "net_1/c_1/Conv2D", 1: "net_1/c_1_2/Conv2D", 2: "net_1/c_1_2/add_1", 3: "net_1/pool_1/Mean"}
    weights = {0: ["net/c/kernel"], 1: ["net/c_1/kernel"]}
    assert paths(names, weights) == ("net", {0: "c/Conv2D", 1: "c_1/Conv2D", 2: "c_1/add_1", 3: "pool/Mean"})


def test_numbers_of_the_layers_themselves_stay():
    names = {0: "model_1/conv2d_3/Conv2D", 1: "model_1/conv2d_4/Conv2D"}
    weights = {0: ["conv2d_3/kernel"], 1: ["conv2d_4/kernel"]}
    assert paths(names, weights) == ("model_1", {0: "conv2d_3/Conv2D", 1: "conv2d_4/Conv2D"})
    assert paths(names, {}) == ("model_1", {0: "conv2d_3/Conv2D", 1: "conv2d_4/Conv2D"})


def test_two_calls_of_a_layer_have_one_path():
    names = {0: "net_1/tower_1/MatMul", 1: "net_1/tower_2/MatMul"}
    weights = {0: ["net/tower/kernel"], 1: ["net/tower/kernel"]}
    assert paths(names, weights) == ("net", {0: "tower/MatMul", 1: "tower/MatMul"})
