"""Diagrams of networks: what the boxes say, where they stand, and the files."""

import graphlib
import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
import zoo
from PIL import Image

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, PackageError, SaveError, SettingError
from kerasviz.network.wires import Edge, Node, Wiring
from kerasviz.network.wiring import wiring
from kerasviz.plotting.diagrams import write_diagram
from kerasviz.plotting.diagrams.dot import dot_text, run_dot
from kerasviz.plotting.diagrams.labels import details_text, kind_of, name_text, parameters_text, shortened
from kerasviz.plotting.diagrams.layering import ranks_of, rows_of
from kerasviz.plotting.diagrams.placing import BOX, place
from kerasviz.texts import size_text

WIDTH = 2.0
NASTY = [
    'a"b',
    "a\\",
    "\\N\\G\\L",
    "&lt;b&gt;",
    "</td><b>",
    "two\nlines",
    "nul\0",
    "$x_1$",
    "日本",
    "\udce9",
    "-->",
    "",
]

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


def layer(name, kind="Dense", shape=(None, 4), **settings):
    return Node(name, "layer", kind, shape, **settings)


def graph(*lines, within=None, containers=(), name="model"):
    """A wiring of `a > b` lines, nodes behind those that feed them."""
    pairs = [line.split(" > ") for line in lines]
    above = {name: set() for name in itertools.chain.from_iterable(pairs)}
    for source, target in pairs:
        above[target].add(source)
    names = dict.fromkeys(graphlib.TopologicalSorter(above).static_order())
    nodes = [layer(each, within=(within or {}).get(each)) for each in names]
    order = list(names)
    pairs.sort(key=lambda pair: (order.index(pair[1]), order.index(pair[0])))
    numbers = {each: number for number, each in enumerate(names)}
    edges = [Edge(source, target, (None, 4), numbers[source]) for source, target in pairs]
    return Wiring(
        name, tuple(nodes), tuple(edges), tuple(layer(one, "Functional", within=up) for one, up in containers)
    )


def chain(count):
    return graph(*(f"n{i} > n{i + 1}" for i in range(count - 1)))


def random_graph(rng, count):
    """A graph of layers that each take one to three of the last few."""
    lines = [
        f"n{source} > n{target}"
        for target in range(1, count)
        for source in sorted({max(0, target - int(back)) for back in rng.integers(1, 7, size=rng.integers(1, 4))})
    ]
    return graph(*lines)


# What the boxes say


@pytest.mark.parametrize(
    "classes, kind",
    [
        (["Conv2D", "DepthwiseConv2D", "SeparableConv1D", "Conv3DTranspose", "DepthwiseConv2dNative"], "convolution"),
        (["BatchNormalization", "LayerNormalization", "FusedBatchNormV3", "RMSNormalization"], "normalization"),
        (["ReLU", "Relu6", "LeakyReLU", "PReLU", "Activation", "Softmax", "Silu", "HardSigmoid"], "activation"),
        (["MaxPooling2D", "GlobalAveragePooling2D", "AvgPool", "MaxPool3D"], "pooling"),
        (["Dense", "EinsumDense", "MatMul", "Embedding"], "dense, embedding"),
        (["Add", "AddV2", "Concatenate", "ConcatV2", "Multiply", "Mul", "Average", "Maximum"], "merge"),
        (["MultiHeadAttention", "LSTM", "GRU", "Bidirectional"], "attention, recurrent"),
        (["Dropout", "Flatten", "ZeroPadding2D", "BiasAdd", "Addition", "GetItem"], "other"),
    ],
)
def test_kinds_of_layers_by_their_classes(classes, kind):
    assert {kind_of(layer("x", each)).name for each in classes} == {kind}


def test_inputs_outputs_and_folded_containers_have_kinds_of_their_own():
    assert kind_of(Node("input:conv", "input", "float32", (None, 4))).name == "input, output"
    assert kind_of(layer("x", "ConvBlock", holds=3)).name == "folded"


def test_texts_of_boxes():
    conv = layer("base/conv@1", "Conv2D", (None, 12, None, 5), parameters=36_928, within="base@1")
    assert details_text(conv, ()) == "Conv2D · 12 × ? × 5 · 36,928 params"
    assert (name_text(conv, None), name_text(conv, "base@1")) == ("base/conv@1", "conv@1")
    assert name_text(layer("a/block", within="a/block"), "a/block") == "block"
    assert details_text(layer("b", "Functional", (None, 1), parameters=25_583_592, holds=2), ()) == (
        "Functional · 2 layers · 1 · 25.58 M params"
    )
    image = Node("input:image", "input", "float32", (None, 8, 8, 3))
    assert (name_text(image, None), details_text(image, ())) == ("image", "input · float32 · 8 × 8 × 3")
    lstm = layer("lstm", "LSTM", None)
    taken = [Edge("lstm", "a", (None, 3), 5), Edge("lstm", "b", (None, 5, 3), 4), Edge("lstm", "c", (None, 3), 5)]
    assert details_text(lstm, taken) == "LSTM · 5 × 3, 3"
    assert [size_text(shape) for shape in (None, (None,), (), (None, 7))] == ["", "1", "1", "7"]
    assert [parameters_text(n) for n in (0, 7, 999_999, 1_000_000)] == [
        "",
        "7 params",
        "999,999 params",
        "1.00 M params",
    ]
    assert shortened("abcdefghij", 5) == "ab…ij" and shortened("abcde", 5) == "abcde"
    assert len(name_text(layer("n" * 500), None)) == 40


# Rows


def test_a_row_is_the_longest_way_and_weights_stand_where_they_are_used():
    found = graph("in > a", "a > b", "b > sum", "in > sum", "w > sum")
    assert ranks_of(found) == {"in": 0, "a": 1, "b": 2, "sum": 3, "w": 2}
    late = Edge("input:x", "sum", (None, 4), 9)
    found = Wiring("m", (Node("input:x", "input", "float32", (None, 4)), *found.nodes), (*found.edges, late))
    assert ranks_of(found)["input:x"] == 0


def test_crossings_that_need_not_be_are_taken_out():
    found = graph("in > a", "in > b", "in > c", "a > z", "b > y", "c > x", "z > out", "y > out", "x > out")
    # The nodes are named so that x, y and z first stand the other way round.
    nodes = {node.id: node for node in found.nodes}
    order = ["in", "a", "b", "c", "x", "y", "z", "out"]
    found = Wiring("m", tuple(nodes[name] for name in order), found.edges)
    rows = [[cell.node for cell in row] for row in rows_of(found, WIDTH, 0.1)]
    pairs = {"a": "z", "b": "y", "c": "x"}
    assert [pairs[name] for name in rows[1]] == rows[2]


def test_the_longest_way_is_straight_and_short_ones_stand_beside():
    found = graph("in > a", "a > b", "b > c", "c > sum", "in > side", "side > sum", "in > sum", "sum > out")
    rows = rows_of(found, WIDTH, 0.2)
    cells = {cell.node: cell for row in rows for cell in row if cell.node}
    assert {cells[name].x for name in ("in", "a", "b", "c", "sum", "out")} == {0.0}
    assert abs(cells["side"].x) >= WIDTH
    # Its line hangs straight below it.
    (bend,) = cells["side"].below
    assert bend.kind == bend.below[0].kind == "bend" and bend.x == bend.below[0].x == cells["side"].x


def test_two_ways_of_one_length_stand_evenly():
    found = graph("in > a", "in > b", "a > sum", "b > sum", "sum > out")
    cells = {cell.node: cell.x for row in rows_of(found, WIDTH, 0.2) for cell in row}
    assert cells["a"] == -cells["b"] and abs(cells["a"]) == WIDTH / 2
    assert cells["sum"] == cells["out"] == cells["in"] == 0


def test_lines_that_pass_hang_straight_down():
    found = graph(*(f"n{i} > n{i + 1}" for i in range(9)), "n0 > n9")
    bends = [cell.x for row in rows_of(found, WIDTH, 0.2) for cell in row if cell.node is None]
    assert len(bends) == 8 and len(set(bends)) == 1 and abs(bends[0]) == pytest.approx((WIDTH + 0.2) / 2, abs=1e-3)


# Pages


def boxes_of(page):
    return {name: (x, y, x + WIDTH, y + BOX) for name, (x, y) in page.boxes.items()}


def curve_points(curve):
    t = np.linspace(0, 1, 41)[:, None]
    a, b, c, d = (np.array(point) for point in curve)
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def ways(page):
    """The pairs of boxes that lines lead between, followed point by point."""
    lines = [(curve[0], curve[-1]) for curve in page.curves] + [(track[0], track[-1]) for track in page.tracks]
    following = {}
    for start, end in lines:
        following.setdefault(tuple(np.round(start, 6)), []).append(tuple(np.round(end, 6)))
    tops = {tuple(np.round((x + WIDTH / 2, y), 6)): name for name, (x, y) in page.boxes.items()}
    found = []
    for name, (x, y) in page.boxes.items():
        waiting = [tuple(np.round((x + WIDTH / 2, y + BOX), 6))]
        while waiting:
            for end in following.get(waiting.pop(), ()):
                if end in tops:
                    found.append((name, tops[end]))
                else:
                    waiting.append(end)
    return found


@pytest.mark.parametrize("seed, count", [(0, 12), (1, 40), (2, 90), (3, 150), (4, 40), (5, 40)])
def test_pages_of_random_graphs(seed, count):
    found = random_graph(np.random.default_rng(seed), count)
    page = place(found, WIDTH)
    assert set(page.boxes) == {node.id for node in found.nodes}
    assert sorted(ways(page)) == sorted((edge.source, edge.target) for edge in found.edges)
    boxes = boxes_of(page)
    for a, b in itertools.combinations(boxes.values(), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    corners = np.array(list(boxes.values()))
    for curve in page.curves:
        x, y = curve_points(curve).T[:, :, None]
        inside = (corners[:, 0] < x) & (x < corners[:, 2]) & (corners[:, 1] + 1e-6 < y) & (y < corners[:, 3] - 1e-6)
        assert not inside.any()
    assert corners.min() >= 0 and corners[:, 2].max() <= page.width and corners[:, 3].max() <= page.height
    for x, y in itertools.chain(*page.curves, *page.tracks):
        assert -1e-6 <= x <= page.width + 0.5 and 0 <= y <= page.height
    ends = {(round(x + WIDTH / 2, 6), round(y, 6)) for name, (x, y) in page.boxes.items() if ranks_of(found)[name]}
    assert {(round(x, 6), round(y, 6)) for x, y in page.arrows} == ends


def test_a_short_network_is_one_column_and_a_long_one_several_of_about_one_height():
    short = place(chain(25), WIDTH)
    assert len({x for x, _ in short.boxes.values()}) == 1 and short.tracks == []
    page = place(chain(160), WIDTH)
    columns = [list(group) for _, group in itertools.groupby(page.boxes.values(), key=lambda place: place[0])]
    assert len(columns) == 5 and len(page.tracks) == 4
    assert all(len(column) == 32 for column in columns)
    assert 1.1 < page.height / page.width < 1.8
    assert [column[0][0] for column in columns] == sorted(column[0][0] for column in columns)
    for column in columns:
        assert [y for _, y in column] == sorted(y for _, y in column)
    for (*_, last), (first, *_) in itertools.pairwise(columns):
        assert any(track[0] == (last[0] + WIDTH / 2, last[1] + BOX) for track in page.tracks)
        assert any(np.allclose(track[-1], (first[0] + WIDTH / 2, first[1])) for track in page.tracks)


def test_columns_break_where_fewest_lines_go_on():
    # Blocks of ten that a line spans, so that one row in ten is crossed by one line alone.
    lines = [f"n{i} > n{i + 1}" for i in range(116)] + [f"n{i} > n{i + 9}" for i in range(0, 100, 10)]
    page = place(graph(*lines), WIDTH)
    ends = [(round(track[0][0], 6), round(track[0][1], 6)) for track in page.tracks]
    lasts = [n for n, (x, y) in page.boxes.items() if (round(x + WIDTH / 2, 6), round(y + BOX, 6)) in ends]
    assert len(page.tracks) == 3 and lasts == ["n29", "n59", "n89"]


def test_frames_hold_their_boxes_and_no_others():
    inside = {"a": "m/k", "b": "m/k", "c": "m"}
    found = graph("in > a", "a > b", "b > c", "c > out", within=inside, containers=[("m/k", "m"), ("m", None)])
    page = place(found, WIDTH)
    assert [name for name, *_ in page.frames] == ["m", "m/k"]
    boxes = boxes_of(page)
    for name, x, y, wide, high in page.frames:
        held = {each for each, b in boxes.items() if x < b[0] and y < b[1] and b[2] < x + wide and b[3] < y + high}
        assert held == {"m/k": {"a", "b"}, "m": {"a", "b", "c"}}[name]
        apart = [b for each, b in boxes.items() if each not in held]
        assert all(b[3] <= y - 0.15 or b[1] >= y + high + 0.15 for b in apart), "room for arrowheads"
    (_, *outer), (_, *inner) = page.frames
    assert outer[0] < inner[0] and outer[1] < inner[1] and inner[0] + inner[2] < outer[0] + outer[2]


def test_a_container_that_others_stand_amid_has_no_frame_and_long_ones_several():
    found = graph("in > a", "a > b", "b > c", "c > out", within={"a": "m", "c": "m"}, containers=[("m", None)])
    assert place(found, WIDTH).frames == []
    long = chain(160)
    nodes = tuple(layer(node.id, within="m") for node in long.nodes)
    page = place(Wiring("m", nodes, long.edges, (layer("m"),)), WIDTH)
    assert [name for name, *_ in page.frames] == ["m"] * 5


# The language of Graphviz


def test_dot_of_a_nested_model():
    inside = {"a": "m"}
    found = graph("in > a", "a > out", within=inside, containers=[("m", None)], name='my "net"')
    lines = [line.strip() for line in dot_text(found).splitlines()]
    assert lines[0] == 'digraph "my \\"net\\"" {'
    assert lines[-3:] == ["n0 -> n1;", "n1 -> n2;", "}"]
    start = lines.index("subgraph cluster_0 {")
    assert lines[start + 2].startswith("n1 [") and lines[start + 3] == "}"
    assert "bgcolor=transparent" in lines[1] and "bgcolor=white" in dot_text(found, transparent=False)


def test_parallel_tensors_are_one_line():
    edges = (Edge("a", "b", (None, 4), 0), Edge("a", "b", (None, 3), 1))
    assert dot_text(Wiring("m", (layer("a"), layer("b")), edges)).count("->") == 1


def nasty():
    """A graph all of whose texts are such as a stranger may write."""
    names = [*NASTY, '<img src="/etc/passwd"/>']
    nodes = tuple(layer(name, name, within="c") for name in names)
    edges = tuple(Edge(a, b, (None, 4), i) for i, (a, b) in enumerate(itertools.pairwise(names)))
    return Wiring("\n".join(names), nodes, edges, (layer("c", "<&>"),))


def svg_texts(path):
    return ["".join(text.itertext()) for text in ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")]


@needs_dot
def test_graphviz_shows_names_as_they_are(tmp_path):
    path = write_diagram(nasty(), tmp_path / "a.svg", engine="dot")
    texts = [text.replace("\xa0", " ") for text in svg_texts(path)]
    for shown in ('a"b', "a\\", "\\N\\G\\L", "&lt;b&gt;", "</td><b>", "two lines", "$x_1$", "日本", "-->"):
        assert any(shown == text.strip() for text in texts), shown
    assert any(text.startswith("<img") for text in texts)
    assert not list(ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}image"))


@needs_dot
def test_graphviz_reads_the_edges():
    found = wiring(kv.Network(zoo.ZOO["dicts"]().model))
    plain = run_dot(dot_text(found), "plain").decode()
    numbers = re.findall(r"^edge n(\d+) n(\d+) ", plain, re.MULTILINE)
    ids = [node.id for node in found.nodes]
    assert sorted((ids[int(a)], ids[int(b)]) for a, b in numbers) == sorted((e.source, e.target) for e in found.edges)


@needs_dot
@pytest.mark.parametrize("suffix, magic", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_files_by_graphviz(tmp_path, suffix, magic):
    path = write_diagram(chain(4), tmp_path / f"a.{suffix}")
    assert path.read_bytes().startswith(magic)
    if suffix == "svg":
        root = ET.parse(path).getroot()
        assert root[0].tag.endswith("title") and root[0].text == "Diagram of model"
        assert "<!-- n0&#45;&gt;n1 -->" in path.read_text(), "Graphviz made it"


# Files


def test_svg_is_text_with_a_title_and_the_same_each_time(tmp_path):
    found = wiring(kv.Network(zoo.ZOO["nested_twice"]().model))
    before = dict(matplotlib.rcParams)
    path = write_diagram(found, tmp_path / "a.svg", engine="own")
    assert dict(matplotlib.rcParams) == before
    root = ET.parse(path).getroot()
    assert root.get("role") == "img" and [part.tag.rpartition("}")[2] for part in root[:2]] == ["title", "desc"]
    assert root[0].text == f"Diagram of {found.name}"
    assert root[1].text == "9 layers and 10 connections between them, the inputs at the top."
    texts = svg_texts(path)
    assert {"conv1", "Conv2D · 12 × 10 × 5 · 140 params", "middle  Functional", "base  Functional"} <= set(texts)
    assert texts.count("normalization") == 1 and "attention, recurrent" not in texts
    assert write_diagram(found, tmp_path / "b.svg", engine="own").read_bytes() == path.read_bytes()
    # Nothing is fetched, and nothing stands behind the diagram.
    assert not re.search(r'href="(?!#)', path.read_text())
    assert "#ffffff" in path.read_text() and not re.search(r'id="patch_1">\s*<path[^>]*fill: #', path.read_text())


def test_own_layout_shows_names_as_they_are(tmp_path):
    texts = svg_texts(write_diagram(nasty(), tmp_path / "a.svg", engine="own"))
    for shown in ('a"b', "a\\", "\\N\\G\\L", "&lt;b&gt;", "</td><b>", "two lines", "$x_1$", "日本", "-->"):
        assert shown in texts, shown


def test_every_layer_of_a_frameless_container_says_its_whole_path(tmp_path):
    inside = {"m/a": "m", "m/c": "m"}
    found = graph("in > m/a", "m/a > b", "b > m/c", within=inside, containers=[("m", None)])
    assert {"m/a", "b", "m/c"} <= set(svg_texts(write_diagram(found, tmp_path / "a.svg", engine="own")))


def test_png_and_pdf_are_on_white(tmp_path):
    path = write_diagram(chain(3), tmp_path / "a.png", engine="own")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    assert (pixels[0, 0] == 255).all() and (pixels[..., 3] == 255).all()
    blush = (np.abs(pixels[..., :3].astype(int) - (0xF6, 0xD0, 0xD9)).max(axis=2) <= 1).mean()
    assert blush > 0.1, "the boxes of three dense layers"
    pdf = write_diagram(chain(3), tmp_path / "a.pdf", engine="own").read_bytes()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert write_diagram(chain(3), tmp_path / "b.pdf", engine="own").read_bytes() == pdf


@pytest.mark.parametrize("suffix", ["dot", "gv"])
def test_dot_files_need_no_graphviz(tmp_path, suffix, monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = chain(4)
    path = write_diagram(found, tmp_path / f"a.{suffix.upper()}")
    assert path.read_text(encoding="utf-8") == dot_text(found)


def test_without_graphviz_a_warning_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.warns(KerasvizWarning, match="Graphviz is not installed") as said:
        path = write_diagram(chain(4), tmp_path / "a.svg")
    assert len(said) == 1
    assert path.read_bytes() == write_diagram(chain(4), tmp_path / "b.svg", engine="own").read_bytes()
    with pytest.raises(PackageError, match="apt install graphviz"):
        write_diagram(chain(4), tmp_path / "c.svg", engine="dot")
    assert not (tmp_path / "c.svg").exists()


def test_a_graphviz_that_fails_gives_way(tmp_path, monkeypatch):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(KerasvizWarning, match="Graphviz failed .*exit status 3"):
        path = write_diagram(chain(4), tmp_path / "a.svg")
    assert path.read_bytes() == write_diagram(chain(4), tmp_path / "b.svg", engine="own").read_bytes()


def test_a_graphviz_that_hangs_is_stopped(tmp_path, monkeypatch):
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("kerasviz.plotting.diagrams.dot._PATIENCE", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        run_dot("digraph {}", "svg")
    with pytest.warns(KerasvizWarning, match="Graphviz failed .*timed out"):
        write_diagram(chain(4), tmp_path / "a.svg")


def test_long_networks_are_not_given_to_graphviz_unasked(tmp_path, monkeypatch):
    marked = tmp_path / "dot"
    marked.write_text("#!/bin/sh\necho '<svg/>'\n")
    marked.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert write_diagram(chain(60), tmp_path / "a.svg").stat().st_size < 1000
    assert write_diagram(chain(61), tmp_path / "b.svg").stat().st_size > 10_000
    assert write_diagram(chain(61), tmp_path / "c.svg", engine="dot").stat().st_size < 1000


def test_a_network_of_too_many_boxes_is_folded(tmp_path):
    found = wiring(kv.Network(zoo.ZOO["nested_twice"]().model))
    with pytest.warns(KerasvizWarning, match="more than 9 boxes: what lies deeper than depth=2 is folded"):
        path = write_diagram(found, tmp_path / "a.dot", max_nodes=9)
    assert path.read_text() == dot_text(found.folded(2))
    with pytest.warns(KerasvizWarning, match="depth=1 "):
        path = write_diagram(found, tmp_path / "a.dot", max_nodes=6)
    assert path.read_text() == dot_text(found.folded(1))
    assert write_diagram(found, tmp_path / "a.dot", depth=1, max_nodes=5).read_text() == dot_text(found.folded(1))
    with pytest.raises(SettingError, match=r"max_nodes=4.* calls 5 layers"):
        write_diagram(found, tmp_path / "b.dot", max_nodes=4)
    assert not (tmp_path / "b.dot").exists()


@pytest.mark.parametrize("settings", [{"depth": 0}, {"max_nodes": 0}, {"max_nodes": 2.5}, {"engine": "neato"}])
def test_wrong_settings(tmp_path, settings):
    with pytest.raises(SettingError):
        write_diagram(chain(3), tmp_path / "a.svg", **settings)
    assert not list(tmp_path.iterdir())


def test_names_and_places_that_cannot_be_written(tmp_path):
    for name in ("a.jpg", "a", "svg"):
        with pytest.raises(SaveError, match=r"ends in \.svg, \.png, \.pdf, \.dot, \.gv"):
            write_diagram(chain(3), tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError):
        write_diagram(chain(3), tmp_path / "file" / "a.dot")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
