"""In what precision a model keeps and computes its numbers."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from kerasviz.inspection.variables import of_graph
from kerasviz.network.graph import GraphModel
from kerasviz.network.graph.model import Run
from kerasviz.network.layers import walk

_GRADIENTS = "gradients pass the rounding as if it were not there, so that gradient methods work; perturbing methods"
#: What each means for explanations; tried on networks before and after quantization.
_MEANING = {
    "half": "kerasviz computes it in float32 with the same weights, so that small gradients are not rounded to zero.",
    "int8": f"Weights and activations are rounded to 8 bits: {_GRADIENTS} see the scores move in small steps.",
    "int4": f"Weights are rounded to 4 bits, 16 values for each filter or block: {_GRADIENTS} explain the rounded "
    "network, whose scores differ visibly from the original's.",
    "float8": f"Weights and activations are rounded to 8-bit floats, of two or three digits in base two: {_GRADIENTS} "
    "see the scores move in coarse steps, and their maps differ visibly.",
    "gptq": f"Weights are rounded to a few bits: {_GRADIENTS} explain the rounded network.",
    "awq": f"Weights are rounded to a few bits: {_GRADIENTS} explain the rounded network.",
    "lora": "Low-rank additions are part of what is explained; the kernels listed are those before them.",
    "simulated": "The graph rounds weights or activations on purpose, as in quantization-aware training: gradients "
    "pass where the range is not exceeded.",
    "integer": "The graph computes in integers on the way, where gradients end: gradient methods give zeros below, or "
    "are refused. Grad-CAM of layers above, and perturbing methods such as occlusion and RISE, work.",
}
_SIMULATED = ("FakeQuant", "QuantizeAndDequantize")
_INTEGER = ("QuantizeV2", "QuantizedConv", "QuantizedMatMul", "Requantize", "UniformQuantize")
_SMALL = (tf.int8, tf.uint8, tf.qint8, tf.quint8)


def quantization(model) -> dict:
    """In what precision the layers of a model keep and compute their numbers, and what that means for explanations.

    Args:
        model: a built Keras model.

    Returns:
        A dict with

        - "policies": the dtype policies of the layers that hold weights ("float32", "mixed_float16",
          "int8_from_float32", …), each with the paths of its layers;
        - "modes": the ways of quantization in use, "int8", "int4", "float8", "gptq" or "awq", and of bare graphs
          "simulated" (FakeQuant ops) and "integer" (ops that round to 8 bits); each with the paths of its layers, or
          the names of its ops;
        - "lora": the paths of the layers with low-rank additions;
        - "meaning": a sentence for each of them that says what it means for explanations.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="hidden", dtype="mixed_float16")])
        >>> found = quantization(model)
        >>> found["policies"], list(found["meaning"])
        ({'mixed_float16': ['hidden']}, ['half'])
    """
    policies: dict[str, list[str]] = {}
    modes: dict[str, list[str]] = {}
    lora, half = [], False
    for path, layer in walk(model):
        if not isinstance(layer, keras.layers.Layer):
            continue
        mode = getattr(layer, "quantization_mode", None)
        if layer.variables and not isinstance(layer, keras.Model) and not of_graph(layer):
            policies.setdefault(layer.dtype_policy.name, []).append(path)
            half |= layer.compute_dtype in ("float16", "bfloat16") and mode is None
        if mode is not None:
            modes.setdefault(mode, []).append(path)
        if getattr(layer, "lora_enabled", False):
            lora.append(path)
    for way, name in _in_graph(model):
        modes.setdefault(way, []).append(name)
    meant = [*(["half"] if half else []), *modes, *(["lora"] if lora else [])]
    return {
        "policies": policies,
        "modes": modes,
        "lora": lora,
        "meaning": {name: _MEANING[name] for name in meant if name in _MEANING},
    }


def _in_graph(model) -> Iterator[tuple[str, str]]:
    """The ops of a bare graph that round."""
    for step in model.program.steps if isinstance(model, GraphModel) else ():
        if not isinstance(step, Run):
            continue
        kind = step.node.op
        if kind.startswith(_SIMULATED):
            yield "simulated", step.node.name
        elif kind.startswith(_INTEGER) or (kind == "Cast" and step.node.attributes["DstT"].type in _SMALL):
            yield "integer", step.node.name
