"""Ways to write images as numbers, from their formulas: numpy, float64, no shortcuts."""

import numpy as np

from reference import resizing

IMAGENET = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]]) / 0.461952


def logistic(values):
    return 1 / (1 + np.exp(-values))


def coloured(values, matrix):
    """Each pixel's numbers times the matrix."""
    if matrix is None:
        return values
    out = np.zeros_like(values)
    for made in range(len(matrix)):
        for number in range(len(matrix)):
            out[..., made] += matrix[made][number] * values[..., number]
    return out


def stretched(values, low, high, matrix=None):
    """Numbers without bounds as images; a range of None leaves them."""
    values = coloured(values, matrix)
    return values if low is None else low + (high - low) * logistic(values)


def weights(height, width, decay):
    out = np.zeros((height, width // 2 + 1))
    for row in range(height):
        for column in range(width // 2 + 1):
            fy, fx = min(row, height - row) / height, column / width
            f = max(np.sqrt(fx**2 + fy**2), 1 / max(width, height))
            out[row, column] = np.sqrt(width * height) / f**decay
    return out


def fourier(parameters, height, width, decay=1.0):
    """Numbers without bounds, `(N, H, W, C)`, of spectra `(N, 2, C, H, W // 2 + 1)`."""
    parameters = np.asarray(parameters, np.float64)
    images = []
    for real, imaginary in parameters:
        channels = [
            np.fft.irfft2((r + 1j * i) * weights(height, width, decay), s=(height, width)) / 4
            for r, i in zip(real, imaginary, strict=True)
        ]
        images.append(np.stack(channels, axis=-1))
    return np.stack(images)


def pyramid(levels, height, width):
    """Numbers without bounds of the levels of a pyramid."""
    return sum(np.stack([resizing.linear(image, (height, width)) for image in level]) for level in levels)
