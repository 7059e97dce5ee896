"""The state of a work: there whole or not at all, and passed over where it is damaged."""

import numpy as np
import pytest

from kerasviz.errors import KerasvizWarning, SaveError
from kerasviz.states import read_state, replace_file, write_state


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "a.npz"
    assert read_state(path) is None
    for step in (1, 2):
        write_state(path, {"step": step, "name": "ä"}, {"sums/x": np.arange(3) * step})
    about, arrays = read_state(path)
    assert about == {"step": 2, "name": "ä"}
    assert list(arrays) == ["sums/x"] and arrays["sums/x"].tolist() == [0, 2, 4]
    assert [each.name for each in path.parent.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"not an archive"])
def test_a_damaged_state_is_passed_over(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.warns(KerasvizWarning, match=r"a\.npz' cannot be read .*: the work starts anew"):
        assert read_state(tmp_path / "a.npz") is None


def test_a_cut_state_is_passed_over(tmp_path):
    path = tmp_path / "a.npz"
    write_state(path, {}, {"x": np.arange(1000, dtype=float)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.warns(KerasvizWarning, match="starts anew"):
        assert read_state(path) is None


def test_what_was_there_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.npz"
    write_state(path, {"step": 1}, {})

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            replace_file(path, fail)
    assert read_state(path)[0] == {"step": 1}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.npz", "a.npz.draft"]


def test_a_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="from the last state"):
        write_state(tmp_path / "file" / "a.npz", {}, {})
