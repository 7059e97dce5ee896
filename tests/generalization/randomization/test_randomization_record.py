"""What a test found: numbers, tables, figures, files."""

import csv
import json

import numpy as np
import pytest

from kerasviz.errors import LoadError, SaveError
from kerasviz.generalization.randomization.record import RandomizationResult, RandomizationRun


def run_of(data, regularization, train, validation=None, csr=None, *, kept=None, **more):
    curves = {"train_loss": -np.log(train), "train_accuracy": train, "true_accuracy": np.array(train) / 2}
    if validation is not None:
        curves |= {"validation_loss": -np.log(validation), "validation_accuracy": validation}
    if csr is not None:
        curves |= {"train_csr": csr, "validation_csr": 2 * np.array(csr)}
    curves = {name: np.array(curve, float) for name, curve in curves.items()}
    return RandomizationRun(data, regularization, curves, 7, 0.95, kept or len(train), 1.5, **more)


@pytest.fixture
def result():
    nan = np.nan
    runs = [
        run_of("true", "none", [0.5, 0.96, 0.9, 1.0], [0.4, 0.8, 0.7, 0.75], [nan, 0.1, nan, 0.2]),
        run_of("random labels", "none", [0.2, 0.3, 0.4, 0.5], [0.1, 0.12, 0.09, 0.1], [nan, 0.4, nan, 0.45]),
        run_of("true", "$stop$", [0.5, 0.6, 0.7], [0.4, 0.5, 0.3], [nan, 0.3, nan], kept=2),
    ]
    return RandomizationResult({(run.data, run.regularization): run for run in runs}, {"classes": 10, "seed": 3})


def test_times_and_final_values(result):
    true, noise, stopped = result.runs.values()
    assert (true.fit_epoch, true.fit_step, true.epochs) == (2, 14, 4)
    assert (noise.fit_epoch, noise.fit_step) == (None, None)
    assert (stopped.epochs, stopped.kept_epoch) == (3, 2)
    assert true.final["validation_accuracy"] == 0.75 and true.gap == 0.25
    assert stopped.final["train_accuracy"] == 0.6 and stopped.final["train_csr"] == 0.3
    assert run_of("true", "none", [0.95]).fit_epoch == 1
    assert run_of("true", "none", [0.95]).gap is None


def test_rows_hold_what_a_table_needs(result):
    rows = result.rows()
    assert rows[2] == {
        "data": "true",
        "regularization": "$stop$",
        "train_accuracy": 0.6,
        "validation_accuracy": 0.5,
        "gap": pytest.approx(0.1),
        "true_accuracy": 0.3,
        "fit_epoch": None,
        "fit_step": None,
        "train_csr": 0.3,
        "validation_csr": 0.6,
        "epochs": 3,
        "kept_epoch": 2,
        "seconds": 1.5,
    }
    assert [row["fit_step"] for row in rows] == [14, None, None]
    bare = RandomizationResult({("true", "none"): run_of("true", "none", [0.5])}).rows()[0]
    assert [bare[name] for name in ("validation_accuracy", "gap", "train_csr", "validation_csr")] == [None] * 4


def test_a_readable_table(result):
    assert str(result).splitlines() == [
        "data           regularization   train   test    gap  true labels  epochs to fit  CSR train   test",
        "true           none            100.0%  75.0%  25.0%        50.0%              2      0.200  0.400",
        "random labels  none             50.0%  10.0%  40.0%        25.0%          never      0.450  0.900",
        "true           $stop$           60.0%  50.0%  10.0%        30.0%          never      0.300  0.600",
    ]
    bare = RandomizationResult({("true", "none"): run_of("true", "none", [0.5])})
    assert str(bare).splitlines()[0] == "data  regularization  train  true labels  epochs to fit"


def test_figures_have_a_line_for_each_data_set_and_a_row_for_each_regularization(result):
    fig = result.plot()
    assert len(fig.axes) == 2 * 5
    train, validation, loss, csr, validation_csr = fig.axes[:5]
    np.testing.assert_array_equal(train.lines[0].get_data(), ([1, 2, 3, 4], [0.5, 0.96, 0.9, 1.0]))
    # Where it was fitted.
    np.testing.assert_array_equal(train.lines[1].get_data(), ([2], [0.96]))
    np.testing.assert_array_equal(train.lines[2].get_ydata(), [0.2, 0.3, 0.4, 0.5])
    assert len(train.lines) == 3
    assert train.lines[0].get_color() == train.lines[1].get_color() != train.lines[2].get_color()
    assert validation.lines[2].get_ydata()[0] == 0.1  # guessing
    np.testing.assert_allclose(loss.lines[0].get_ydata(), -np.log([0.5, 0.96, 0.9, 1.0]))
    # What was not measured leaves no gap.
    np.testing.assert_array_equal(csr.lines[1].get_data(), ([2, 4], [0.4, 0.45]))
    np.testing.assert_array_equal(validation_csr.lines[0].get_data(), ([2, 4], [0.2, 0.4]))
    # The other row, in the same ranges and colours.
    assert len(fig.axes[5].lines) == 1 and fig.axes[5].lines[0].get_color() == train.lines[0].get_color()
    for above, below in zip(fig.axes[:5], fig.axes[5:], strict=True):
        assert above.get_xlim() == below.get_xlim() and above.get_ylim() == below.get_ylim()
    assert 4 <= train.get_xlim()[1] < 5 and validation.get_ylim() == (0, 1)
    assert loss.get_yscale() == "log"
    assert [text.get_text() for text in validation_csr.get_legend().get_texts()] == ["true", "random labels"]
    fig.canvas.draw()


def test_panels_without_data_are_left_out():
    nothing = np.array([0.0, 0.0])
    run = run_of("true", "none", [1.0, 1.0])
    run.curves["train_loss"][:] = nothing
    fig = RandomizationResult({("true", "none"): run}).plot()
    assert len(fig.axes) == 2
    assert {text.get_text() for text in fig.texts} == {"training accuracy", "training loss"}
    fig.canvas.draw()


def test_saved_and_loaded_it_is_the_same(result, tmp_path):
    folder = result.save(tmp_path / "out")
    again = RandomizationResult.load(folder)
    assert list(again.runs) == list(result.runs) and again.settings == result.settings
    for key, run in result.runs.items():
        other = again.runs[key]
        assert (other.steps_per_epoch, other.fitted, other.kept_epoch, other.seconds) == (7, 0.95, run.kept_epoch, 1.5)
        assert list(other.curves) == list(run.curves)
        for name, curve in run.curves.items():
            np.testing.assert_array_equal(curve, other.curves[name])
    with (folder / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["fit_epoch"] for row in table] == ["2", "", ""]
    assert table[1]["validation_csr"] == "0.9"
    with pytest.raises(SaveError):
        result.save(folder)
    result.save(folder, overwrite=True)


@pytest.mark.parametrize("spoil", ["cut", "other", "empty"])
def test_damaged_results_are_refused(result, tmp_path, spoil):
    folder = result.save(tmp_path / "out")
    curves, about = folder / "curves.npz", folder / "randomization.json"
    if spoil == "cut":
        curves.write_bytes(curves.read_bytes()[:-100])
    elif spoil == "other":
        document = json.loads(about.read_text())
        del document["runs"][1]["data"]
        about.write_text(json.dumps(document))
    else:
        about.unlink()
    with pytest.raises(LoadError, match="no result of a randomization test"):
        RandomizationResult.load(folder)
