"""A feature map of every variant of an image, by how it differs from the clean one."""

import tensorflow as tf

from kerasviz.network.incremental.boxes import Box, cut, place


class Changed:
    """A feature map of every variant, known where it may differ from the clean one.

    Args:
        clean: gives the clean map, `(1, H, W, C)`.
        box: where it may differ.
        change: `(P, h, w, C)`, the difference there; None if `values` are given.
        values: `(P, h, w, C)`, what is there.
    """

    def __init__(self, clean, box: Box, change=None, values=None):
        self._clean, self.box, self._change, self._values = clean, box, change, values

    @property
    def clean(self) -> tf.Tensor:
        """The clean map, `(1, H, W, C)`."""
        return self._clean()

    @property
    def change(self) -> tf.Tensor:
        """The difference from the clean map in the box."""
        if self._change is None:
            self._change = self._values - cut(self.clean, self.box)
        return self._change

    @property
    def values(self) -> tf.Tensor:
        """What is in the box."""
        if self._values is None:
            self._values = self._change + cut(self.clean, self.box)
        return self._values

    def change_in(self, box: Box) -> tf.Tensor:
        """The difference from the clean map in another box; zero outside its own."""
        return place(self.change, self.box, box)

    def values_in(self, box: Box, outside=None) -> tf.Tensor:
        """What is in another box."""
        if box is self.box:
            return self.values
        return cut(self.clean, box, outside) + self.change_in(box)

    def whole(self) -> tf.Tensor:
        """The whole map of every variant, `(P, H, W, C)`."""
        _, height, width, _ = self.clean.shape
        return self.values_in(Box(tf.zeros_like(self.box.origin), tf.constant([height, width])))
