"""The settings of a randomization test, checked before any work is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import SettingError
from kerasviz.generalization.searches import Search, as_search
from kerasviz.network.neighborhood import checked_radius


@dataclass(frozen=True)
class Regularization:
    """A way to keep a network from memorizing, or none.

    Attributes:
        build: keyword arguments of the function that builds the model, such as `{"dropout": 0.5}`.
        early_stopping: end the training after so many epochs without a better validation accuracy, and go back to the
            weights of the best epoch; None to train all epochs. Needs validation data.
        critical: train on critical samples too: keyword arguments of
            `kerasviz.generalization.CriticalSampleTraining`, such as `{"radius": 0.03}`; None for not.

    Raises:
        SettingError: one of them is something else.
    """

    build: Mapping = field(default_factory=dict)
    early_stopping: int | None = None
    critical: Mapping | None = None

    def __post_init__(self):
        for name in ("build", "critical"):
            given = getattr(self, name)
            if given is None and name == "critical":
                continue
            if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
                raise SettingError(
                    f"{name}={given!r}", expected="a dict of keyword arguments", mend="{} for those that a call has"
                )
        if self.early_stopping is not None:
            checked_count("early_stopping", self.early_stopping)


@dataclass(frozen=True)
class Settings:
    """How all networks of a test are trained and measured.

    Raises:
        SettingError: a setting is out of range.
    """

    epochs: int
    batch_size: int
    radius: float | None
    search: Search
    probes: int
    every: int
    fitted: float
    seed: int

    def __post_init__(self):
        for name in ("epochs", "batch_size", "probes", "every"):
            object.__setattr__(self, name, checked_count(name, getattr(self, name)))
        object.__setattr__(self, "search", as_search(self.search))
        object.__setattr__(self, "seed", checked_seed(self.seed))
        if self.radius is not None:
            object.__setattr__(self, "radius", checked_radius(self.radius))
        if isinstance(self.fitted, bool) or not isinstance(self.fitted, Real) or not 0 < self.fitted <= 1:
            raise SettingError(
                f"fitted={self.fitted!r}", expected="an accuracy over 0, up to 1", mend="0.99 is the default"
            )

    def plain(self) -> dict:
        """What a result depends on, as JSON can hold it."""
        measured = {"search": self.search.settings(), "probes": self.probes, "every": self.every}
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "radius": self.radius,
            **(measured if self.radius is not None else {}),
            "fitted": float(self.fitted),
            "seed": self.seed,
        }


def as_regularizations(given) -> dict[str, Regularization]:
    """What a user's `regularizations=` means.

    Raises:
        SettingError: it is no dict from names to dicts or `Regularization`, or an empty one.
    """
    if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) and name for name in given):
        raise SettingError(
            f"regularizations={given!r}",
            expected="a dict from a name to a dict of keyword arguments of build, or to a Regularization",
            mend='{"none": {}, "dropout": {"dropout": 0.5}}, with the arguments that your function takes',
        )
    return {
        name: each if isinstance(each, Regularization) else Regularization(build=each) for name, each in given.items()
    }
