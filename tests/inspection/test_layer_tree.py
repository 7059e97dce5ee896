"""Short names, folded trees and their lines."""

from kerasviz.inspection.tree import folded, guides, joined, short_names
from kerasviz.network import Network


def test_every_short_name_finds_its_layer_and_no_shorter_one_would(specimen):
    network = Network(specimen.model)
    for path, name in short_names(network.layers).items():
        assert network._directory.find(name).path == path
        shorter = name.partition("/")[2]
        if shorter:
            assert sum(other == shorter or other.endswith(f"/{shorter}") for other in network.layers) != 1


def test_a_name_that_is_a_path_is_left_to_it():
    # "conv" alone means the layer at the top.
    assert short_names(["conv", "base", "base/conv", "base/bn"]) == {
        "conv": "conv",
        "base": "base",
        "base/conv": "base/conv",
        "base/bn": "bn",
    }


def rows(*paths, kind="Layer"):
    return [{"path": path, "class": kind} for path in paths]


def test_folding_counts_what_is_left_out():
    layers = rows("a", "a/b", "a/b/c", "a/b/d", "e")
    assert [(layer["path"], layer["inside"]) for layer in folded(layers, 1)] == [("a", 3), ("e", 0)]
    assert [(layer["path"], layer["inside"]) for layer in folded(layers, 2)] == [("a", 0), ("a/b", 2), ("e", 0)]
    assert [layer["inside"] for layer in folded(layers, None)] == [0] * 5


def test_scopes_of_one_part_are_left_out():
    scopes = rows("a", "b", "b/c", kind="Scope")
    ops = rows("a/x", "b/c/y", "b/z")
    layers = sorted(scopes + ops, key=lambda layer: layer["path"])
    assert [layer["path"] for layer in joined(layers)] == ["a/x", "b", "b/c/y", "b/z"]
    assert joined(rows("a", "a/x")) == rows("a", "a/x")  # a model of one layer is no scope
    assert joined(folded(layers, 1)) == folded(layers, 1)


def test_lines():
    paths = ["a", "a/b", "a/b/c", "a/b/d", "a/e", "f", "f/g", "f/g/h"]
    assert guides(paths) == ["", "├─ ", "│  ├─ ", "│  └─ ", "└─ ", "", "└─ ", "   └─ "]


def test_lines_where_a_container_is_left_out():
    assert guides(["a", "a/b/c", "a/d", "e/f"]) == ["", "├─ ", "└─ ", ""]
