"""CPPNs against a loop over pixels and neurons; and how their wiring changes, genome by genome."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from reference import evolution

from kerasviz.synthesis.fooling import cppn, wiring
from kerasviz.synthesis.fooling.cppn import CPPN
from kerasviz.synthesis.spaces import ImageSpace

MOST = 5


def grown(rng, count=8, channels=1, times=12, most=MOST):
    """A population after some generations of changes."""
    encoding = CPPN(most_hidden=most)
    genes = encoding.first(count, ImageSpace(4, 4, channels, 0, 1), rng)
    for _ in range(times):
        genes = encoding.children(*({name: a[part] for name, a in genes.items()} for part in halves(count)), rng, 0.1)
    return genes


def halves(count):
    return slice(0, count // 2), slice(count // 2, count)


def check(genes, most=MOST):
    """All connections are allowed: forward, and between neurons that are there."""
    room = wiring.allowed(genes["hidden"], *genes["links"].shape[1:])
    assert not (genes["links"] & ~room).any()
    assert genes["hidden"].min() >= 0
    assert genes["hidden"].max() <= most
    assert genes["weights"].min() >= 0
    assert genes["weights"].max() <= 1
    assert set(np.unique(genes["kinds"]).tolist()) <= {0, 1, 2, 3}


@pytest.mark.parametrize(("height", "width", "channels"), [(5, 7, 1), (6, 4, 3), (3, 3, 2)])
def test_images_are_those_of_a_loop(height, width, channels, rng):
    genes = grown(rng, channels=channels)
    assert genes["hidden"].max() >= 3
    units = CPPN(most_hidden=MOST).units(
        {n: tf.constant(a) for n, a in genes.items()}, ImageSpace(height, width, channels, 0, 1)
    )
    expected = [evolution.cppn_image(genes, i, MOST, height, width) for i in range(8)]
    np.testing.assert_allclose(units, expected, atol=2e-4)
    assert np.std(expected, axis=(1, 2)).max() > 0.1


@pytest.mark.slow
def test_large_images_are_computed_one_by_one_alike(rng, monkeypatch):
    genes = {name: tf.constant(array) for name, array in grown(rng, channels=3).items()}
    together = CPPN(most_hidden=MOST).units(genes, ImageSpace(5, 7, 3, 0, 1))
    monkeypatch.setattr(cppn, "_PORTION", 40)
    np.testing.assert_allclose(CPPN(most_hidden=MOST).units(genes, ImageSpace(5, 7, 3, 0, 1)), together, atol=1e-5)


def test_hue_lightness_and_saturation_are_those_of_colorsys(rng):
    colours = rng.random((200, 3)).astype(np.float32)
    expected = [colorsys.hls_to_rgb(*colour) for colour in colours.tolist()]
    seen = cppn.rgb(tf.constant(colours.T[None]))
    np.testing.assert_allclose(np.transpose(seen[0]), expected, atol=1e-6)


def test_functions_of_neurons():
    sums = np.linspace(-5, 5, 21)
    expected = [[function(p) for p in sums] for function in evolution.KINDS]
    seen = cppn.activated(tf.constant(np.tile(sums, (4, 1))), tf.constant([[0], [1], [2], [3]]))
    np.testing.assert_allclose(seen, expected, atol=1e-12)


def test_places_span_the_longer_side_and_circles_stay_round():
    x, y, d, one = cppn.places_of(3, 5).reshape(4, 3, 5)
    np.testing.assert_allclose(x[0], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(y[:, 0], [-0.5, 0, 0.5])
    assert d[1, 4] == 1
    assert d[0, 2] == pytest.approx(0.5)
    assert (one == 1).all()
    assert np.isfinite(cppn.places_of(1, 1)).all()


def test_begins_with_all_inputs_joined_to_all_outputs_and_nothing_else(rng):
    genes = CPPN(most_hidden=MOST).first(50, ImageSpace(4, 4, 3, 0, 1), rng)
    links = [evolution.network_of(genes, i, MOST) for i in range(50)]
    assert all(set(net[f"out{k}"]) == {"x", "y", "d", "1"} for net in links for k in range(3))
    assert all(not net[hidden] for net in links for hidden in range(MOST))
    weights = np.array([list(net["out1"].values()) for net in links])
    assert abs(weights.mean()) < 2
    assert weights.min() < -9
    assert weights.max() > 9
    assert np.bincount(genes["kinds"].ravel(), minlength=4).min() > 50


def test_growth_keeps_networks_whole(rng):
    genes = grown(rng, count=60, times=40)
    check(genes)
    assert genes["hidden"].max() == MOST
    assert genes["hidden"].min() < MOST


def changed(change, genes, numbers, rng):
    """The networks before and after a change of some individuals; the others, and what was given, must not change."""
    kept = {name: array.copy() for name, array in genes.items()}
    after = change(genes, np.array(numbers), rng)
    check(after)
    count = len(genes["hidden"])
    for name, array in genes.items():
        np.testing.assert_array_equal(array, kept[name])
        others = np.setdiff1d(np.arange(count), numbers)
        np.testing.assert_array_equal(after[name][others], array[others])
    nets = [[evolution.network_of(population, i, MOST) for i in numbers] for population in (genes, after)]
    return after, list(zip(*nets, strict=True))


def edges(net):
    return {(target, source): weight for target, sources in net.items() for source, weight in sources.items()}


def test_adds_one_connection(rng):
    _, pairs = changed(wiring.add_connections, grown(rng), [0, 3, 5], rng)
    for before, after in pairs:
        assert len(edges(after)) == len(edges(before)) + 1
        assert edges(before).items() <= edges(after).items()


def test_adds_none_where_all_are_there(rng):
    genes = wiring.first(3, MOST, 1, rng)
    _, pairs = changed(wiring.add_connections, genes, [1, 2], rng)
    assert all(before == after for before, after in pairs)


def test_deletes_one_connection(rng):
    _, pairs = changed(wiring.delete_connections, grown(rng), [1, 2, 7], rng)
    for before, after in pairs:
        assert len(edges(after)) == len(edges(before)) - 1
        assert edges(after).items() <= edges(before).items()


def test_deletes_none_where_there_is_none(rng):
    genes = grown(rng)
    genes["links"][2] = False
    _, pairs = changed(wiring.delete_connections, genes, [2], rng)
    assert edges(pairs[0][1]) == {}


def test_lets_a_connection_begin_elsewhere(rng):
    _, pairs = changed(wiring.change_connections, grown(rng), list(range(8)), rng)
    moved = 0
    for before, after in pairs:
        gone, new = edges(before).items() - edges(after).items(), edges(after).items() - edges(before).items()
        assert len(gone) == len(new) <= 1
        for ((target, source), weight), ((new_target, new_source), new_weight) in zip(gone, new, strict=True):
            moved += 1
            assert (target, weight) == (new_target, new_weight)
            assert source != new_source
    assert moved >= 4


def test_puts_a_neuron_in_the_midst_of_a_connection(rng):
    genes = grown(rng, count=40)
    # A network can have lost all of its connections.
    numbers = np.flatnonzero((genes["hidden"] < MOST) & genes["links"].any(axis=(1, 2)))
    after, pairs = changed(wiring.add_neurons, genes, numbers, rng)
    np.testing.assert_array_equal(after["hidden"][numbers], genes["hidden"][numbers] + 1)
    assert len(numbers) > 10
    for number, (before, grown_net) in zip(numbers, pairs, strict=True):
        # Which one is new may be told in several ways, of which one must fit the functions, too.
        places = [place for place in range(MOST) if _is_split(before, grown_net, place)]
        kinds, old = after["kinds"][number].tolist(), genes["kinds"][number].tolist()
        hidden = genes["hidden"][number]
        assert any(kinds[:p] + kinds[p + 1 : hidden + 1] + kinds[MOST:] == old[:hidden] + old[MOST:] for p in places)


def _without(net, place):
    """A network less one hidden neuron, with the numbers that the others then have; as edges."""

    def number(name):
        return name - 1 if isinstance(name, int) and name > place else name

    return {
        (number(target), number(source)): weight
        for (target, source), weight in edges(net).items()
        if place not in (target, source)
    }


def _is_split(before, after, place):
    """Whether a neuron at a place of one network splits one connection of the other."""
    gone = edges(before).items() - _without(after, place).items()
    inward = {s: w for (t, s), w in edges(after).items() if t == place}
    outward = {t: w for (t, s), w in edges(after).items() if s == place}
    if not (len(gone) == len(inward) == len(outward) == 1 and len(_without(after, place)) == len(edges(before)) - 1):
        return False
    ((target, source), weight) = gone.pop()
    shifted = target + 1 if isinstance(target, int) and target >= place else target
    return list(inward) == [source] and abs(inward[source] - 1) < 1e-5 and outward == {shifted: weight}


def test_adds_no_neuron_where_there_is_no_room(rng):
    genes = grown(rng, count=60, times=40)
    full = np.flatnonzero(genes["hidden"] == MOST)
    _, pairs = changed(wiring.add_neurons, genes, full, rng)
    assert all(before == after for before, after in pairs)


def test_deletes_a_neuron_and_its_connections(rng):
    genes = grown(rng, count=40)
    numbers = np.flatnonzero(genes["hidden"] > 0)
    after, pairs = changed(wiring.delete_neurons, genes, numbers, rng)
    np.testing.assert_array_equal(after["hidden"][numbers], genes["hidden"][numbers] - 1)
    for number, (before, less) in zip(numbers, pairs, strict=True):
        places = [p for p in range(genes["hidden"][number]) if _without(before, p) == edges(less)]
        assert places
        old, new, hidden = genes["kinds"][number].tolist(), after["kinds"][number].tolist(), genes["hidden"][number]
        assert any(old[:p] + old[p + 1 : hidden] + old[MOST:] == new[: hidden - 1] + new[MOST:] for p in places)


def test_deletes_no_neuron_where_there_is_none(rng):
    genes = wiring.first(3, MOST, 1, rng)
    _, pairs = changed(wiring.delete_neurons, genes, [0, 1], rng)
    assert all(before == after for before, after in pairs)


@pytest.mark.parametrize("change", wiring.CHANGES.values())
def test_changes_of_nobody(change, rng):
    genes = grown(rng)
    after = change(genes, np.array([], int), rng)
    for name, array in genes.items():
        np.testing.assert_array_equal(after[name], array)


def test_choices_are_all_alike_likely(rng):
    choices = np.zeros((6000, 3, 4), bool)
    choices[:, [0, 1, 2], [3, 0, 2]] = True
    numbers, targets, sources = wiring._drawn(choices, np.arange(6000), rng)
    assert len(numbers) == 6000
    counts = np.bincount(targets)
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(6000 * 2 / 9)
    np.testing.assert_array_equal(sources, np.array([3, 0, 2])[targets])


def still(**rates):
    """An encoding in which nothing but what is named happens."""
    return CPPN(most_hidden=MOST, **(dict.fromkeys((*wiring.CHANGES, "crossover_rate", "kind_crossover"), 0.0) | rates))


@pytest.mark.parametrize("change", wiring.CHANGES)
def test_rates_are_those_of_children(change, rng):
    genes = grown(rng, count=400, times=6)
    mothers, fathers = ({name: a[part] for name, a in genes.items()} for part in halves(400))
    children = still(**{change: 0.4}).children(mothers, fathers, rng, 0.0)
    # Rightly nothing happens to some: no neuron to lose, or no room.
    able = {"delete_neuron": genes["hidden"] > 0, "add_neuron": genes["hidden"] < MOST}.get(change, np.ones(400, bool))
    differ = (children["links"] != genes["links"]).any(axis=(1, 2)) | (children["hidden"] != genes["hidden"])
    assert not differ[~able].any()
    assert abs(differ[able].mean() - 0.4) < 0.15


def test_children_are_copies_where_nothing_happens(rng):
    genes = grown(rng)
    mothers, fathers = ({name: a[part] for name, a in genes.items()} for part in halves(8))
    children = still().children(mothers, fathers, rng, 0.0)
    for name, array in genes.items():
        np.testing.assert_array_equal(children[name], array)


def test_crossover_keeps_the_wiring_of_one_parent_and_crosses_weights_of_both(rng):
    genes = grown(rng, count=200)
    mothers, fathers = ({name: a[part] for name, a in genes.items()} for part in halves(200))
    children = still(crossover_rate=1.0, kind_crossover=0.25).children(mothers, fathers, rng, 0.0)
    np.testing.assert_array_equal(children["links"], genes["links"])
    np.testing.assert_array_equal(children["hidden"], genes["hidden"])
    both = np.tile(mothers["links"] & fathers["links"], (2, 1, 1))
    np.testing.assert_array_equal(children["weights"][~both], genes["weights"][~both])
    assert (children["weights"] != genes["weights"])[both].mean() > 0.9
    swapped = np.concatenate([fathers["kinds"], mothers["kinds"]])
    other = genes["kinds"] != swapped
    assert abs((children["kinds"] == swapped)[other].mean() - 0.25) < 0.06
    assert (children["kinds"] == np.where(other & (children["kinds"] == swapped), swapped, genes["kinds"])).all()
