import json

import pytest

from kerasviz.data import read_labels
from kerasviz.errors import DataError


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "tench\ngold fish\nÅl\n"),
        ("a.txt", "\ufefftench\r\n gold fish \r\nÅl\n\n  \n"),
        ("a.json", '["tench", "gold fish", "Ål"]'),
        ("a.JSON", '{"2": "Ål", "0": "tench", "1": "gold fish"}'),
        ("a.json", '{"0": ["n1", "tench"], "1": ["n2", "gold fish"], "2": ["n3", "Ål"]}'),
    ],
)
def test_kinds_of_file(tmp_path, name, content):
    assert read_labels(written(tmp_path, name, content)) == ["tench", "gold fish", "Ål"]


def test_keys_are_ordered_as_numbers(tmp_path):
    content = json.dumps({str(i): f"class {i}" for i in sorted(range(12), key=str)})
    assert read_labels(written(tmp_path, "a.json", content)) == [f"class {i}" for i in range(12)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "cat\n\ndog\n", "no name for line 2"),
        ("a.txt", "", "holds no names"),
        ("a.txt", b"caf\xe9", "cannot be read: 'utf-8'"),
        ("a.json", "[]", "holds no names"),
        ("a.json", "{}", "holds no names"),
        ("a.json", '["cat", 3]', "no name for class 1, but 3"),
        ("a.json", '["cat", " "]', "no name for class 1"),
        ("a.json", '{"0": ["n1", "cat", "x"]}', "no name for class 0"),
        ("a.json", '{"1": "cat", "2": "dog"}', r"no keys '0', but '2'\. .*\"0\" to \"1\""),
        ("a.json", '{"cat": 0, "dog": 1}', "no keys '0', '1', but 'cat', 'dog'"),
        ("a.json", '{"0": "cat", "0": "dog"}', "key '0' is there twice"),
        ("a.json", '{"0": "cat"', r"cannot be understood as JSON.*line 1 column"),
        ("a.json", '"cat"', "holds a str"),
    ],
)
def test_faults_are_named(tmp_path, name, content, message):
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.txt cannot be read"):
        read_labels(tmp_path / "gone.txt")
