"""What a model is made of, and how its weights are."""

from kerasviz.inspection.diagnosis import Problem, problems
from kerasviz.inspection.diagramming import diagram
from kerasviz.inspection.examining import examine
from kerasviz.inspection.health import Weight, weights
from kerasviz.inspection.texts import head_text

__all__ = ["Problem", "Weight", "diagram", "examine", "head_text", "problems", "weights"]
