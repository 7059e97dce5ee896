"""Small changes as pictures that can be seen."""

import numpy as np

_PERCENT = 99  # of the changes that are drawn without clipping


def magnified(perturbation: np.ndarray, low: float, high: float) -> tuple[np.ndarray, str]:
    """A perturbation as a picture, and the factor by which it was magnified, as a text.

    Args:
        perturbation: `(H, W, C)`.
        low: what is drawn black in the image itself.
        high: what is drawn white.

    Returns:
        uint8 like the perturbation: 128 for no change; 1 and 255 for changes that only one in a hundred exceeds.
    """
    sizes = np.abs(perturbation.astype(np.float64))
    most = float(np.percentile(sizes, _PERCENT)) or float(sizes.max())
    if not most:
        return np.full(perturbation.shape, 128, np.uint8), "1"
    factor = (high - low) / 2 / most
    picture = np.rint(128 + 127 * (perturbation / most).clip(-1, 1)).astype(np.uint8)
    return picture, f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"


def range_of(images: np.ndarray) -> tuple[float, float]:
    """What `kerasviz.plotting.display_image` would take as black and white for all of some images together."""
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 255:
        return (0.0, 1.0) if high <= 1 else (0.0, 255.0)
    return low, high if high > low else low + 1
