"""Makes the pictures of the README.

    python scripts/readme_pictures.py     # needs the extra kerasviz[test], which has the photographs

The photographs are scikit-image's: the cat by Stefan van der Walt and the cup by Rachel Michetti, both CC0, and
the motorcycle of the Middlebury stereo data set (Scharstein et al. 2014).
"""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import kerasviz as kv

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
#: Methods, with the settings that differ from the defaults, in the order of the columns.
COLUMNS = {
    "Grad-CAM": ("grad_cam", {}),
    "Guided Grad-CAM": ("guided_grad_cam", {}),
    "Guided backprop": ("guided_backprop", {}),
    "SmoothGrad": ("smooth_grad", {"samples": 50}),
    "Integrated gradients": ("integrated_gradients", {"steps": 50}),
}


def squares(photographs, side=224):
    """The middle of each photograph, as the network sees it."""
    crops = []
    for photograph in photographs:
        image = Image.fromarray(photograph)
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        crop = image.crop((left, top, left + edge, top + edge))
        crops.append(np.asarray(crop.resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(crops)


def main():
    """Explain and draw."""
    images = squares([skimage.data.chelsea(), skimage.data.coffee(), skimage.data.stereo_motorcycle()[0]])
    model, labels = kv.data.imagenet_model(), kv.data.imagenet_labels()
    probabilities = model.predict(images.astype("float32"), verbose=0)
    classes = probabilities.argmax(axis=1)
    columns = {}
    for title, (method, settings) in COLUMNS.items():
        explanation = kv.explain(model, images, method, target=classes, **settings)
        draw = kv.plotting.signed if explanation.signed else None
        columns[title] = draw(explanation.values) if draw else kv.plotting.overlay(images, explanation.values)
    rows = [f"{labels[k]}\n{p[k]:.0%}" for k, p in zip(classes, probabilities, strict=True)]
    figure = kv.plotting.figure(images, columns, row_titles=rows, tile=1.7, dpi=110)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / "explained.jpg", pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
