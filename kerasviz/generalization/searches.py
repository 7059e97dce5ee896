"""How a point at which the predicted class changes is searched: settings of one iteration, repeated."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from kerasviz.checks import checked_count
from kerasviz.errors import SettingError


@dataclass(frozen=True)
class Search:
    """A search within a box around an image: steps along the sign of a gradient, kept inside the box.

    Each step adds to every value of the image `step * radius` times the sign of the gradient that leads away from
    the predicted class, and `noise * radius` times a standard normal number; values that leave the box are set back
    to its side. The search of a sample ends as soon as its predicted class has changed.

    Make one with `LASS`, `PGD` or `FGSM`.

    Attributes:
        name: how it is called.
        steps: at most so many.
        step: α, in parts of the radius.
        noise: β, the deviation of the noise, in parts of the radius.
        finish: how many steps at the end go without noise, and climb the margin of the strongest other class over the
            predicted one, not the cross-entropy: they reach the corner of the box where that class is strongest.
        random_start: begin anywhere in the box, evenly drawn, and not at the image.
        stop: end after a step in which fewer than this share of the samples were newly found, None for never. It
            saves time where hardly any more would be found; it counts the samples of eight batches, which are searched
            together, so that with it a sample's result depends on the others.

    Raises:
        SettingError: a number is out of range.
    """

    name: str
    steps: int
    step: float
    noise: float = 0.0
    finish: int = 0
    random_start: bool = False
    stop: float | None = None

    def __post_init__(self):
        checked_count("steps", self.steps)
        checked_count("finish", self.finish, least=0)
        _check("step", self.step)
        _check("noise", self.noise)
        if self.stop is not None:
            _check("stop", self.stop, most=1)
        if not self.step and not self.noise:
            raise SettingError(
                "step=0 and noise=0", expected="one of them over 0", mend="Otherwise the search never leaves the image"
            )

    def settings(self) -> dict:
        """Its settings by name, for manifests."""
        return {
            "search": self.name,
            "steps": self.steps,
            "step": self.step,
            "noise": self.noise,
            "finish": self.finish,
            "random_start": self.random_start,
            "stop": self.stop,
        }


def LASS(
    steps: int = 100,
    *,
    step: float = 0.25 / 0.3,
    noise: float = 0.2 / 0.3,
    finish: int | None = None,
    stop: float | None = None,
) -> Search:
    """Langevin adversarial sample search: Arpit et al. 2017, "A Closer Look at Memorization in Deep Networks", 4.1.

    The paper has α = 0.25 and β = 0.2 where the radius is 0.3 of 255; both keep this proportion to any other radius.
    Where Algorithm 1 and the authors' code differ, this is the code: the gradient is that of the cross-entropy with the
    predicted class, taken at the point that the search has reached (the algorithm has the score of that class alone,
    at the image), and there are 100 steps. The code's stop after a step that found fewer than 20 samples is
    `stop=20 / N`; it is left out by default, since few samples would stop at once.

    So much noise keeps a tenth of the values away from the sides of the box at any time, and the cross-entropy leads
    between two classes that are equally near: both miss points near the corners of the box. The last steps, `finish`,
    which the paper has not, go there: on linear networks of ten classes, whose critical samples are known, 100
    steps find 92.6 % of them without, and over 99 % with them.

    The noise is one number for each value of the image, and the same for all samples of a step, so that a sample's
    result depends neither on its batch mates nor on `batch_size`.

    Args:
        steps: as for `Search`.
        step: as for `Search`.
        noise: as for `Search`.
        finish: as for `Search`; None for 3, with which each value can cross the box, or a quarter of the steps if that
            is fewer. 0 is the paper's.
        stop: as for `Search`.

    Example:
        >>> LASS(steps=10).finish
        2
    """
    steps = checked_count("steps", steps)
    return Search("lass", steps, step, noise, min(3, steps // 4) if finish is None else finish, stop=stop)


def PGD(steps: int = 20, *, step: float | None = None, random_start: bool = True, stop: float | None = None) -> Search:
    """Projected gradient descent: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks".

    On the margin over the predicted class (the loss of Carlini and Wagner, with which section 5.2 of the paper also
    attacks), since what counts here is whether the class changes.

    Args:
        steps: as for `Search`.
        step: as for `Search`; None for 2.5 / steps, with which each value can cross the box (section B.4).
        random_start: as for `Search`.
        stop: as for `Search`.

    Example:
        >>> PGD(steps=10).step
        0.25
    """
    step = 2.5 / checked_count("steps", steps) if step is None else step
    return Search("pgd", steps, step, finish=steps, random_start=random_start, stop=stop)


def FGSM() -> Search:
    """The fast gradient sign method: Goodfellow et al. 2015, one step to a corner of the box.

    Example:
        >>> FGSM().steps
        1
    """
    return Search("fgsm", 1, 1.0)


_SEARCHES = {"lass": LASS, "pgd": PGD, "fgsm": FGSM}


def as_search(given) -> Search:
    """The search that a user's `search=` means: a `Search`, or the name of one with its defaults.

    Raises:
        SettingError: it is neither.
    """
    if isinstance(given, Search):
        return given
    if isinstance(given, str) and given in _SEARCHES:
        return _SEARCHES[given]()
    raise SettingError(
        f"search={given!r}",
        expected=f"one of {', '.join(map(repr, _SEARCHES))}, or a Search with settings of your own",
        mend="search='lass' is the paper's",
    )


def _check(name, value, most=np.inf):
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= most or value == np.inf:
        raise SettingError(
            f"{name}={value!r}",
            expected=f"a number from 0 to {most:g}" if most < np.inf else "a number from 0 up, in parts of the radius",
            mend="Leave it out for the default",
        )
