"""What methods of the gradient ask of a model."""

from kerasviz.errors import InputError


def require_floats(network, title):
    """Refuse a model whose inputs are all integers, for methods of the gradient at the input.

    Raises:
        InputError: no input is a float.
    """
    if not any(spec.floating for spec in network.inputs.specs):
        names = ", ".join(f"{spec.name!r} ({spec.dtype})" for spec in network.inputs.specs)
        raise InputError(
            f"The inputs of {network.name!r} are integers: {names}. A score has no gradient there",
            expected=f"a float input for {title}",
            mend="Use GradCAM, which works at a feature map; or explain the part of the model behind the embedding",
        )
