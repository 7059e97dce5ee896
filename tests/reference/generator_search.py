"""The search among a generator's codes as in the authors' code (act_max.py), with every division: numpy, float64."""

import numpy as np


def searched(code, steps, *, first, last, generate, image_gradient, back, low, high, decay):
    """The code after all steps.

    Args:
        code: to begin with.
        steps: how many.
        first: the first step size.
        last: the size at which they would end.
        generate: a code to an image.
        image_gradient: an image to the gradient of the objective there.
        back: a code and a difference of images to the gradient of its product with the generator's output.
        low: of the clip.
        high: of the clip.
        decay: after the clip.
    """
    for number in range(steps):
        step = first + (last - first) * number / steps
        image = generate(code)
        at_image = image_gradient(image)
        moved = image + step * at_image / np.abs(at_image).mean()
        at_code = back(code, moved - image)
        code = code + step * at_code / np.abs(at_code).mean()
        code = np.clip(code, low, high) * decay
    return code
