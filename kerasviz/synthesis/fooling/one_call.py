"""Fooling images in one call. Where several follow, make a `FoolingAscent` or `MapElites` once."""

from kerasviz.checks import checked_choice
from kerasviz.errors import SettingError
from kerasviz.network import loading
from kerasviz.synthesis.fooling.ascending import FoolingAscent
from kerasviz.synthesis.fooling.class_fitness import ClassFitness
from kerasviz.synthesis.fooling.confidence import checked_classes, checked_confidence
from kerasviz.synthesis.fooling.genetic import GeneticAlgorithm
from kerasviz.synthesis.fooling.map_elites import MapElites
from kerasviz.synthesis.fooling.predicting import Predicting
from kerasviz.synthesis.fooling.record import FoolingImages

METHODS = ("gradient", "map_elites", "genetic")
#: At most, by default: steps, of which most networks need few; and the generations after which the paper shows digits.
_STEPS, _GENERATIONS = 500, 200
#: Settings that are those of the algorithm, not of the fitness.
_GENETIC = ("population", "selection", "crossover", "crossover_rate", "mutation_rate", "elitism")


def fooling_images(
    model,
    classes=None,
    *,
    method: str = "gradient",
    confidence: float = 0.99,
    steps: int | None = None,
    generations: int | None = None,
    seed: int = 0,
    **settings,
) -> FoolingImages:
    """Make images that a network takes for its classes with a confidence, and that show nothing of the kind.

    Nguyen, Yosinski and Clune 2015, "Deep Neural Networks are Easily Fooled". Every reported confidence is that of a
    fresh `model.predict` on exactly the returned image.

    Args:
        model: any built Keras classifier that ends in a softmax or sigmoid, or the path of a saved one.
        classes: a class number or several; None for all of them.
        method: "gradient", which is quick (`FoolingAscent`); "map_elites", which evolves all classes together and needs
            no gradient (`MapElites`), with `encoding="direct"` for noise or "cppn" for patterns; or "genetic", which
            evolves one class after another (`GeneticAlgorithm`), and is there to compare with.
        confidence: the probability that is asked of each class, between 0 and 1.
        steps: at most, of "gradient" (500).
        generations: at most, of the others (200); they end when all classes have reached the confidence.
        seed: of all that is drawn.
        **settings: of `FoolingAscent`, `MapElites`, or `ClassFitness` and `GeneticAlgorithm`: `value_range` (needed
            unless `preprocess` is a mode), `preprocess`, `size`, `output` and so on; for "gradient" also `start` of its
            call.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known.
        TargetError: the model gives no probabilities of classes, or there are no such classes.

    Example:
        >>> import kerasviz as kv
        >>> made = fooling_images(kv.data.shapes.shapes_model(), 3, value_range=(0, 255))
        >>> made.found.tolist()
        [True]
    """
    checked_choice("method", method, METHODS)
    if method == "gradient":
        _refuse("generations", generations, method, "steps")
        start = settings.pop("start", "gaussian")
        fool = FoolingAscent(model, confidence=confidence, **settings)
        return fool(classes, steps=_STEPS if steps is None else steps, seed=seed, start=start)
    _refuse("steps", steps, method, "generations")
    generations = _GENERATIONS if generations is None else generations
    if method == "map_elites":
        evolve = MapElites(model, classes=classes, confidence=confidence, **settings)
        return evolve(generations, seed=seed, goal="every")
    return _one_after_another(loading.as_model(model), classes, confidence, generations, seed, settings)


def _one_after_another(model, classes, confidence, generations, seed, settings):
    checked_confidence(confidence)
    own = {name: settings.pop(name) for name in _GENETIC if name in settings}
    named = {name: settings.get(name) for name in ("input", "output", "others", "sample")}
    asked = checked_classes(classes, Predicting(model, **named).count)
    records = []
    for number in asked.tolist():
        fitness = ClassFitness(model, number, **settings)
        found = GeneticAlgorithm(fitness, **own)(generations, seed=seed, goal=confidence)
        records.append(fitness.record(found, confidence))
    return FoolingImages.joined(records)


def _refuse(name, given, method, instead):
    if given is not None:
        raise SettingError(f"{name}={given!r} with method={method!r}", expected=f"{instead}=", mend=f"Leave {name} out")
