"""Small perturbations: points near an image that a network takes for something else, and for what."""
