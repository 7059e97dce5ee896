"""Runs of a network on many images that differ in a small patch: only what the patch reaches is computed.

Nakandala et al. 2019, "Incremental and Approximate Inference for Faster Occlusion-based Deep CNN Explanations"
(SIGMOD). A patch reaches a box of each feature map; only that box is computed, from the clean map around it.
"""

from kerasviz.network.incremental.planning import Plan, Row
from kerasviz.network.incremental.running import Incremental

__all__ = ["Incremental", "Plan", "Row"]
