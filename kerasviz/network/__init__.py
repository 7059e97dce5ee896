"""A Keras model, opened: layers by path, activations and gradients, backward rules, scores before the softmax."""

from kerasviz.errors import ModelError as _ModelError


def _require_tensorflow():
    import keras

    if keras.backend.backend() != "tensorflow":
        raise _ModelError(
            f"Keras runs on the backend {keras.backend.backend()!r}",
            expected="'tensorflow', whose gradients kerasviz works with",
            mend="Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported",
        )


_require_tensorflow()

from kerasviz.network.cloning import Clone, clone_with_rule, swap_activations  # noqa: E402
from kerasviz.network.gap_model import to_gap  # noqa: E402
from kerasviz.network.gap_training import retrain_gap  # noqa: E402
from kerasviz.network.layers import Address  # noqa: E402
from kerasviz.network.loading import load  # noqa: E402
from kerasviz.network.logits import to_logits  # noqa: E402
from kerasviz.network.network import Network, Pass  # noqa: E402

__all__ = [
    "Address",
    "Clone",
    "Network",
    "Pass",
    "clone_with_rule",
    "load",
    "retrain_gap",
    "swap_activations",
    "to_gap",
    "to_logits",
]
