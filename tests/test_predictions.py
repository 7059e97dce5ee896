"""What a network says of images: probabilities and scores by class, whatever it ends in."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

from kerasviz.errors import SettingError, TargetError
from kerasviz.network import Network
from kerasviz.predictions import Classes, Prediction, strongest

SCORES = np.float32([[0.5, -1.0, 2.0], [0.0, 3.0, 3.0]])


def passing(head=None, width=3):
    """A network that returns its inputs through a head."""
    inputs = keras.Input((width,), name="x")
    return Network(keras.Model(inputs, L.Activation(head)(inputs) if head else L.Identity()(inputs)))


def softmax(scores):
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("head", ["softmax", "log_softmax", None])
def test_probabilities_and_scores_of_each_class(head):
    found = Classes(passing(head), [*"abc"]).predict(SCORES)
    np.testing.assert_allclose([[one.score for one in row] for row in found], SCORES, atol=1e-6)
    assert [[one.index for one in row] for row in found] == [[0, 1, 2]] * 2
    assert [one.name for one in found[0]] == [*"abc"]
    if head is None:
        assert {one.probability for row in found for one in row} == {None}
        assert found[0][2].strength == "score 2"
    else:
        np.testing.assert_allclose([[one.probability for one in row] for row in found], softmax(SCORES), atol=1e-6)
        assert found[0][2].strength == "78.55 %"


def test_a_single_sigmoid_is_two_classes():
    classes = Classes(passing("sigmoid", 1))
    (no, yes), _ = classes.predict(np.float32([[2.0], [-3.0]]))
    assert classes.count == 2 and (no.score, yes.score) == (-2, 2) and yes.name == "class 1"
    assert yes.probability == pytest.approx(1 / (1 + np.exp(-2))) and no.probability == pytest.approx(
        1 - yes.probability
    )


def test_the_strongest_come_first_and_of_equal_ones_the_lower_number():
    _, row = Classes(passing()).predict(SCORES)
    assert [one.index for one in strongest(row, 2)] == [1, 2]
    assert [one.index for one in strongest(row, 9)] == [1, 2, 0]


def test_checked_inputs_of_several_as_they_come():
    specimen = zoo.image_and_table()
    network = Network(specimen.model)
    found = Classes(network).predict(network.inputs.check(specimen.inputs))
    expected = specimen.model.predict(specimen.inputs, verbose=0)
    np.testing.assert_allclose([[one.probability for one in row] for row in found], expected, atol=1e-6)


def test_one_of_several_outputs():
    network = Network(zoo.two_outputs().model)
    second = Classes(network, output="second")
    assert second.count == 3 and second.target([1])[0] == "second"
    with pytest.raises(TargetError, match="output='first', or --output first"):
        Classes(network)
    with pytest.raises(TargetError, match="no output 'third'"):
        Classes(network, output="third")
    with pytest.raises(SettingError, match=r"2 labels, and the model .* has 3 classes"):
        Classes(network, [*"ab"], output="second")


def test_a_prediction_without_a_label_goes_by_its_number():
    assert Prediction(7, None, 0.00001, -3).name == "class 7"
    assert Prediction(7, "cat", 0.00001, -3).strength == "<0.01 %"
