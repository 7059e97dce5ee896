"""Files that hold models: what they are, and whether they may be opened. Nothing here runs anything of a file."""

from kerasviz.network.files.facts import FileFacts, SignatureFacts, TensorFacts, describe

__all__ = ["FileFacts", "SignatureFacts", "TensorFacts", "describe"]
