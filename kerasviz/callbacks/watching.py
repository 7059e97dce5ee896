"""What all callbacks share: when they look, where what they saw goes, and that training goes on whatever happens."""

import re
import warnings
import weakref
from abc import ABC, abstractmethod
from contextlib import contextmanager

import keras

from kerasviz import progress
from kerasviz.callbacks.album import Album
from kerasviz.callbacks.board import Board
from kerasviz.callbacks.shots import Shot
from kerasviz.checks import checked_choice, checked_count
from kerasviz.errors import KerasvizError, KerasvizWarning, ModelError, SettingError


class Watch(keras.callbacks.Callback, ABC):
    """Looks at a model while it is trained.

    *Nothing changes.* Weights, optimizer, random numbers and the training's history are the same, to the last bit,
    with and without the callback.

    *Mistakes* are errors before the first epoch: at construction what needs no model, at the beginning of `fit` the
    rest, with everything compiled and run once. (A model that has no weights at the beginning of `fit` is opened at its
    second batch.) After that nothing stops the training: what cannot be looked at or written, since the disk is full
    or the weights are NaN, is a warning, once for each reason. Each look tries again, and a folder that was deleted is
    made anew.

    *Interrupted* trainings lose nothing: no file stays open between two looks. The strip and the GIF are written when
    the training ends; after an exception or Ctrl-C by `close()`, or else at the next `fit`, when the callback is
    collected, or when Python exits.

    Args:
        name: begins the names of files and tags. Callbacks that share a folder need different ones.
        every: how many epochs or batches lie between two looks. The first epoch of a `fit` is looked at, then
            those whose numbers, counted from 0 as Keras does, can be divided by `every`, and the last. Batches are
            counted from the beginning of `fit`; the first look is after `every` of them.
        unit: "epoch" or "batch".
        initial: look before the first epoch, too.
        folder: where pictures go, None for nowhere: a PNG for each look, `NAME-epoch-0001.png` after the first
            epoch, and at the end `NAME.png`, at most 12 looks one below the other, and `NAME.gif`. Files of these names
            are replaced. A training that is resumed, by `initial_epoch` or `keras.callbacks.BackupAndRestore`, goes
            on where the earlier one ended, if looks are counted by epochs.
        log_dir: where TensorBoard's events go, as for `keras.callbacks.TensorBoard`; None for nowhere. The run is
            called "kerasviz/NAME", the tags "NAME/…".
        keep: how many of the last results `history` holds; None for all.

    Attributes:
        history: what was seen in the last `fit`: pairs of the number of an epoch as Keras counts, from 0 (−1 before
            the first), or of the batches done, and the result.

    Raises:
        PackageError: `log_dir` is given, and TensorBoard is not installed.
        SettingError: a setting is out of range.
        SaveError: at the beginning of `fit`, `folder` or `log_dir` cannot be written to.
        ModelError: at the beginning of `fit`, the model cannot be opened, or `initial` is asked of one without weights.
    """

    def __init__(
        self,
        name: str,
        *,
        every: int = 1,
        unit: str = "epoch",
        initial: bool = False,
        folder=None,
        log_dir=None,
        keep: int | None = None,
    ):
        super().__init__()
        if not isinstance(name, str) or not name or set(name) & set('/\\:*?"<>|'):
            raise SettingError(
                f"name={name!r}", expected="a few letters that can begin a file's name", mend="Leave it out"
            )
        checked_choice("unit", unit, ("epoch", "batch"))
        self.name, self.unit, self.every = name, unit, checked_count("every", every)
        self.initial = bool(initial)
        self.keep = None if keep is None else checked_count("keep", keep, least=0)
        self.history: list[tuple] = []
        self._places = [Album(folder, name, unit)] if folder is not None else []
        self._places += [Board(log_dir, name)] if log_dir is not None else []
        self._finish = lambda: None
        self._forget()
        if unit == "batch":
            # Only then: a callback with this method makes Keras wait for each batch.
            self.on_train_batch_end = self._after_batch

    @abstractmethod
    def open(self):
        """Check everything against `self.model`, compile it, and run it once."""

    @abstractmethod
    def look(self) -> Shot:
        """Look at the model as it is now."""

    def close(self):
        """Write what belongs to the end of a training; a second time it does nothing."""
        self._finish()

    def on_train_begin(self, logs=None):
        """Open the model and the places for pictures."""
        self.close()
        self.history = []
        self._forget()
        if self.initial and not self.model.built:
            raise ModelError(
                f"The model {self.model.name!r} has no weights yet, and initial=True asks to look at it",
                expected="a built model",
                mend="Build it before fit, or leave initial out",
            )
        self._open()
        for place in self._places:
            place.open()
        self._finish = weakref.finalize(self, _finish, self._places)

    def on_epoch_begin(self, epoch, logs=None):
        """Begin at the first, when it is known which epoch a resumed training goes on with."""
        if not self._begun:
            self._begun = True
            done = epoch if self.unit == "epoch" else 0
            for place in self._places:
                place.begin(done)
            if self.initial:
                self._record(done)
        # Keras counts the batches of an epoch.
        self._before_epoch = self._done

    def on_train_batch_begin(self, batch, logs=None):
        """Open a model that had no weights before the first batch."""
        self._open()

    def on_epoch_end(self, epoch, logs=None):
        """Look, if it is time."""
        if self.unit == "epoch":
            self._done = epoch + 1
            if not self._looked or epoch % self.every == 0:
                self._record(self._done)
            self._looked = True

    def on_train_end(self, logs=None):
        """Look for the last time, and close."""
        if self._done and self._seen != self._done:
            self._record(self._done)
        self.close()

    def _after_batch(self, batch, logs=None):
        # With steps_per_execution several batches end at once, and Keras counts some that an epoch does not have.
        ended = min(batch + 1, self.params["steps"] or batch + 1)
        before, self._done = self._done, self._before_epoch + ended
        if before // self.every < self._done // self.every:
            self._record(self._done)

    def _forget(self):
        """Forget the last training."""
        self._opened = self._begun = self._looked = False
        self._seen, self._told = None, set()
        self._done = self._before_epoch = 0

    def _open(self):
        if not self._opened and self.model.built:
            with progress.silent(), self._each_told_once():
                self.open()
            self._opened = True

    def _record(self, done):
        """Look, and keep what was seen after so many epochs or batches."""
        self._open()
        self._seen = done
        try:
            with progress.silent(), self._each_told_once():
                shot = self.look()
        # A training of days does not end because a picture of it fails, whatever the reason.
        except Exception as error:
            self._complain("looked at", error)
            return
        step = done - 1 if self.unit == "epoch" else done
        self.history.append((step, shot.result))
        if self.keep is not None:
            del self.history[: len(self.history) - self.keep]
        for place in self._places:
            try:
                place.write(done, step, shot)
            except Exception as error:
                self._complain(f"written by its {type(place).__name__.lower()}", error)

    def _complain(self, what, error):
        if self._is_new((what, type(error))):
            why = error if isinstance(error, KerasvizError) else f"{type(error).__name__}: {error}"
            warnings.warn(
                f"{type(self).__name__} {self.name!r}: what the model looks like after {self._seen} "
                f"{'epochs' if self.unit == 'epoch' else 'batches'} cannot be {what}, and training goes on. {why}",
                KerasvizWarning,
                stacklevel=2,
            )

    @contextmanager
    def _each_told_once(self):
        """Tell a warning that comes at each look only once in a training, whatever numbers are in it."""
        found = []
        try:
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                yield
        finally:
            for each in found:
                if self._is_new((each.category, re.sub(r"[\d\s,]+", "", str(each.message)))):
                    warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)

    def _is_new(self, what):
        new = what not in self._told
        self._told.add(what)
        return new


def _finish(places):
    for place in places:
        try:
            place.finish()
        except Exception as error:
            warnings.warn(f"The pictures of a training cannot be put together. {error}", KerasvizWarning, stacklevel=2)
