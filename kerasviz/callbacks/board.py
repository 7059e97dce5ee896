"""Events for TensorBoard."""

import importlib.util
import io
import os
import socket
import time
from pathlib import Path

import numpy as np

from kerasviz.callbacks.shots import Shot
from kerasviz.errors import PackageError, SaveError
from kerasviz.writing import make_writable

#: Begins the name of the run, as Keras's own callback calls its "train" and "validation".
_RUN = "kerasviz"


class Board:
    """An event file that TensorBoard reads.

    It is opened anew for each look, so that nothing is lost when a training dies, and a disk that is full or a folder
    that is gone is an error, which the writer of `tf.summary` does not tell. It has a run of its own: of two files of
    one run TensorBoard does not read on in the first.

    Args:
        log_dir: where TensorBoard looks.
        name: begins the tags.

    Raises:
        PackageError: TensorBoard is not installed.
    """

    def __init__(self, log_dir, name: str):
        if importlib.util.find_spec("tensorboard") is None:
            raise PackageError(
                "log_dir= is given, and TensorBoard is not installed",
                expected="the package tensorboard, which TensorFlow does not bring any more",
                mend='Install it by pip install "kerasviz[tensorboard]", or give folder= in the place of log_dir',
            )
        self._folder, self._name, self._file = Path(log_dir) / _RUN / name, name, None

    def open(self):
        """Begin an event file.

        Raises:
            SaveError: it cannot be written.
        """
        make_writable(self._folder)
        moment, host = time.time(), socket.gethostname()
        # TensorBoard reads the files of a run in the order of their names.
        self._file = self._folder / f"events.out.tfevents.{moment:.6f}.{host}.{os.getpid()}.{self._name}"
        self._append([{"file_version": "brain.Event:2"}], "xb")

    def begin(self, done: int):
        """Nothing: events of the training that this one resumes are in a file of their own."""

    def write(self, done: int, step: int, shot: Shot):
        """Write the pictures and numbers of a look.

        Args:
            done: not used here.
            step: of the events, as Keras's own callback counts.
            shot: what was seen.

        Raises:
            SaveError: they cannot be written.
        """
        if self._file is None:
            self.open()
        values = [_scalar(f"{self._name}/{tag}", value) for tag, value in shot.scalars.items()]
        values += [_image(f"{self._name}/{each.tag}", each) for each in shot.pictures]
        # Not "ab": where the file is gone, a new one without its first record would be no event file.
        self._append([{"step": step, "summary": {"value": [value]}} for value in values], "r+b")

    def finish(self):
        """Nothing is open."""

    def _append(self, events, mode):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        records = io.BytesIO()
        writer = RecordWriter(records)
        for event in events:
            writer.write(Event(wall_time=time.time(), **event).SerializeToString())
        try:
            with self._file.open(mode, buffering=0) as file:
                _append_all(file, records.getbuffer())
        except OSError as error:
            path = self._file
            if mode == "xb" or isinstance(error, FileNotFoundError):
                self._file = None  # The next look begins another.
            raise SaveError(
                f"{str(path)!r} cannot be written: {error.strerror or error}",
                expected="the event file, with room on its disk",
                mend="Make room, or give another log_dir=",
            ) from error


def _append_all(file, data):
    """Append to an unbuffered file all or nothing: a part of a record would hide all that follow."""
    end = file.seek(0, os.SEEK_END)
    try:
        while data:
            data = data[file.write(data) :]
    except BaseException:
        file.truncate(end)
        raise


def _scalar(tag, value):
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.scalar import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    about = metadata.create_summary_metadata(display_name="", description="")
    return Summary.Value(tag=tag, metadata=about, tensor=make_tensor_proto(np.float32(value)))


def _image(tag, picture):
    import cv2
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.image import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    height, width = picture.pixels.shape[:2]
    png = cv2.imencode(".png", picture.pixels[..., ::-1])[1].tobytes()
    about = metadata.create_summary_metadata(display_name="", description=picture.title)
    content = make_tensor_proto([str(width).encode(), str(height).encode(), png])
    return Summary.Value(tag=tag, metadata=about, tensor=content)
