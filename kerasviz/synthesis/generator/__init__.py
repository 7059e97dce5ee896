"""Images through a trained generator: training one for a layer of a classifier, and searching its codes.

Nguyen et al. 2016, "Synthesizing the preferred inputs for neurons in neural networks via deep generator networks";
Dosovitskiy & Brox 2016, "Generating Images with Perceptual Similarity Metrics based on Deep Networks".
"""

from kerasviz.lazy import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "GeneratorMaximization": "searching",
        "GeneratorTraining": "training",
        "LossWeights": "training",
        "TrainedGenerator": "trained",
        "build_discriminator": "architecture",
        "build_generator": "architecture",
        "train_generator": "one_call",
    },
)
