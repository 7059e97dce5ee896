"""Every notebook runs from top to bottom in a fresh kernel, without a warning, and means what its texts say."""

import base64
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_BYTES = 2.5e6
#: 90 seconds on two cores; processor time, since other work on the machine does not lengthen it.
MOST_SECONDS = 180
#: What TensorFlow says of the machine before its settings for messages count.
REMARKS = re.compile(r"WARNING: All log messages before absl::InitializeLog|I0000 ")
#: What the texts claim, checked in the notebook's own kernel when it is done.
CLAIMS = {
    "01_why": """
        assert [labels[k] for k in top] == ["Egyptian cat", "espresso", "moped"]
        assert times.argmax() == 1 and 15 < times[1] and (times > 3).all()

        halves = np.asarray(grad_cam(four, target=asked)).reshape(4, 224, 2, 112).sum(axis=(1, 3))
        left = halves[:, 0] / halves.sum(axis=1)
        assert left[:2].min() > 0.8 and left[2:].max() < 0.3, left

        assert abs(gap) < 1.5 and abs(total - values.score[0]) < 2
        assert below == {
            "backprop": [[-2, 0, -1], [6, 0, 0], [0, -1, 3]],
            "deconvnet": [[0, 3, 0], [6, 0, 1], [2, 0, 3]],
            "guided": [[0, 0, 0], [6, 0, 0], [0, 0, 3]],
        }

        grids = np.abs(np.asarray(deconv)).reshape(3, -1)
        assert np.corrcoef(grids).min() > 0.9
        assert np.abs(np.corrcoef(np.abs(np.asarray(guided)).reshape(3, -1))[0, 1:]).max() < 0.5

        drawn = np.abs(np.asarray(strokes))[0].reshape(224, 2, -1).sum(axis=(0, 2))
        assert drawn[1] > 0.2 * drawn.sum()

        assert accuracy > 0.95 and np.mean(near) > 0.8
        again = kv.GradCAM(mine, layer="base/relu5", batch_size=100)(test.images[winged], target=1)
        np.testing.assert_allclose(loaded, again, atol=1e-5)

        others = np.delete(channel.score, 1)
        assert titles[1] == "butterfly" and "butterfly" not in titles[2:]
        assert channel.score[1] > 8 * others.max()

        assert inside.mean() > 0.9 and share < 0.25
        assert min(kept["Guided backprop"]) > 0.95
        assert max(kept["Grad-CAM"] + kept["Saliency"]) < 0.8
    """,
    "02_where": """
        assert 0.8 < centre_error
        assert 0.2 < early < 0.8 < 0.88 < accuracy
        assert table["CAM"][0] < 0.30 and table["CAM"][2] > 0.9, table["CAM"]
        assert (predicted != held_out.labels).mean() < table["CAM"][0] / 2
        assert np.allclose([table["HiResCAM"], table["XGrad-CAM"]], table["Grad-CAM"], atol=1e-3)
        assert min(table["Grad-CAM++"][0], table["LayerCAM"][0]) > table["Grad-CAM"][0]
        assert table["Eigen-CAM"][0] > table["Grad-CAM"][0] + 0.1
    """,
    "03_words": """
        assert right.min() > 0.7 and right[[1, 2, 8]].min() > 0.9
        objects = ("its colour", "its shape", "other colour", "other shape")
        assert all(pointing[place][1] > 0.6 > 0.1 > pointing[place][3] for place in objects)
        assert pointing["its shape"][0] > 0.8 and pointing["other shape"][0] < 0.5
        assert len(shapes) > 2
    """,
    "04_how": """
        assert given_up == [11, 16, 28, 31] == np.flatnonzero(statistics.dead).tolist()
        angles = [row["orientation"] for row in found]
        assert np.abs((np.subtract(angles, [0, 45, 90, 135]) + 90) % 180 - 90).max() < 1
        assert max(abs(row["frequency"] - 0.2) for row in found) < 0.005
        assert [fields.fields[layer].size[0] for layer in fields.fields] == [3, 67, 339, 851]

        subjects = [shapes.CLASSES[k] for k in scenes.labels]
        pleases = [[subjects[n] for n in row] for row in pleased.top.images]
        for row, wanted in zip(pleases, ("rocket", "butterfly", "car", "house"), strict=True):
            assert row.count(wanted) >= 5, (wanted, row)

        parts = {row["layer"]: row for row in alike.rows()}
        assert parts["gap"]["mean"] < parts["gap"]["random_mean"] - 0.03
        assert parts["relu1"]["mean"] > parts["relu1"]["random_mean"] - 0.005

        shifts = moved["horizontal_translation"]
        early, late = (shifts.relative[layer] for layer in ("relu1", "gap"))
        amounts = list(shifts.amounts)
        assert late[:, amounts.index(-8)].mean() < late[:, amounts.index(-4)].mean() < early.max() / 2
    """,
    "05_dissection": """
        assert chance.max() < 0.03 < 0.15 < np.median(top.best.iou)
        assert after["unique, every"][4] >= 5 * max(1, before["unique, every"][4])
        assert after["unique, best"][4] >= 5 * max(1, before["unique, best"][4])
        shape, colour = after["unique, every: shape"], after["unique, best: colour"]
        assert shape[0] == 0 and shape[1:] == sorted(shape[1:]) and shape[4] == 10
        assert colour[0] == 8 > colour[1] > max(colour[2:])
        assert before["unique, best: colour"][0] >= 6 and not any(before["unique, every: shape"][1:])
        assert counts["relu3", 1].unique_every < 0.7 * counts["relu3", 0].unique_every
        assert counts["relu5", 1].unique_every > 0.9 * counts["relu5", 0].unique_every
    """,
    "06_memorized": """
        true, noise = result["true"], result["random labels"]
        assert true.final["train_accuracy"] > 0.99 and noise.final["train_accuracy"] > 0.99
        assert noise.fit_epoch > 4 * true.fit_epoch and noise.final["validation_accuracy"] < 0.2
        assert all(noise.final[kind] > 2 * true.final[kind] for kind in ("train_csr", "validation_csr"))
        assert ratios["random labels"][-1][1] > 2 * ratios["true labels"][-1][1]
        assert (curves["random labels"].ratios >= curves["true labels"].ratios).all()
        assert generalization.gini(sensitivities["true labels"]) > 0.6
        assert generalization.gini(sensitivities["random labels"]) < 0.4

        (alike, held, _), (fitted, _, _) = final("true", "both"), final("random labels", "both")
        assert alike > 0.99 and held > final("true", "none")[1] - 0.01
        others = [final("random labels", name)[0] for name in memorizing.REGULARIZATIONS if name != "both"]
        assert fitted < min(others) - 0.05
        assert all(whole[name, "none"].final["train_csr"] < 0.05 for name in ("random pixels", "gaussian"))
        assert all(whole[name, "none"].final["validation_csr"] > 0.9 for name in ("random pixels", "gaussian"))
        assert abs(final("true", "weight decay")[1] - final("true", "none")[1]) < 0.01
    """,
    "07_what": """
        assert (channels.scores > 2 * np.array(natural)).all()
        subjects = [shapes.CLASSES[k] for k in scenes.labels]
        for row, wanted in zip(favourites.images, ("rocket", "butterfly", "car", "house"), strict=True):
            assert [subjects[n] for n in row].count(wanted) >= 5, (wanted, row)
        assert likeness(diverse)[0] < likeness(alike)[0] - 0.2
        assert likeness(diverse)[1] < likeness(alike)[1]

        plain, keras_vis, readable = (ways[name].scores for name in ("plain", "keras_vis", "natural"))
        assert (plain > 1.2 * keras_vis).all() and (keras_vis > 1.2 * readable).all() and (readable > 1.5 * best).all()
        simonyan = ways["ClassModel"].images
        assert simonyan.min() < 0 and simonyan.max() > 255

        assert dreamt.scores[0] > 1.5 * np.square(seen(cat.astype("float32"))[-1]).mean()
        assert max(-each.scores[0] for each in inverted.values()) < 0.3
        assert near["block10_add"] < near["block2_add"] - 0.15 and near["block10_add"] > 0.15

        assert noise.found.all() and noise.saved_found.all() and noise.median > 0.99
        assert drawn.found.sum() >= 6 and (answers == scenes.labels[:300]).mean() > 0.95
        assert attacked.new_classes[0] == 967 and attacked.distances[0] <= 4 and attacked.survives[0]

        assert reader.evaluate(digits[1000:], truth[1000:], verbose=0)[1] > 0.88
        shown = np.argmax(reader(kinds["generator"].images), axis=1)
        assert (shown == ten).sum() >= 8
        assert 1.4 * distances["generator"] < min(distances["small"], distances["plain"])
        assert kinds["plain"].scores.mean() > 1.15 * max(kinds[name].scores.mean() for name in ("generator", "small"))
    """,
    "08_trusted": """
        assert gaps[64] < gaps[16] / 2 < gaps[4] / 4 and gaps[64] < 0.5
        assert apart < 1e-5 and max(lonely.values()) < 1e-4
        asked_none = max(located["edges"][0], located["middle"][0])
        assert all(located[name][0] > asked_none + 0.25 for name in explainers)
        assert located["Guided backprop"][1] > max(located[name][1] for name in list(explainers)[:3]) + 0.1
        assert located["Grad-CAM"][2] < located["Saliency"][2] - 0.15 and located["edges"][1] > 1.7 * chance

        assert max(survived["Grad-CAM"][1:]) < 0.3 and right < 0.4
        for name in ("Saliency", "Integrated gradients"):
            assert all(np.subtract(survived["Guided backprop"], survived[name])[1:6] > 0.04), name
            assert min(np.subtract(survived[name], survived["Grad-CAM"])[1:6]) > 0.1 and survived[name][6] > 0.05
        assert survived["Guided backprop"][4] > 0.5
        assert kept["Guided backprop", "last layer"].min() > 0.95 and kept["Guided backprop", "upper part"].min() > 0.75
        assert all(kept[name, stage].max() < 0.7 for name, stage in kept if name != "Guided backprop")

        kinds = ("Grad-CAM", "Integrated gradients", "Guided backprop")
        assert min(area[name][1] for name in kinds) > max(area["random"][1], area["Grad-CAM, moved"][1]) + 0.1
        assert abs(area["middle"][1] - area["Grad-CAM"][1]) < 0.15
        assert area["random"][0] < min(row[0] for name, row in area.items() if name != "random") - 0.02
        assert area["Grad-CAM, moved"][0] > area["Grad-CAM"][0] + 0.15

        assert accuracy["on the cars"] > 0.95 and accuracy["on the houses"] < 0.1 and accuracy["nowhere"] < 0.7
        assert all(flaw[name, "biased"][0] > 0.9 and flaw[name, "honest"][0] < 0.1 for name in asked)
        assert all(flaw[name, "biased"][1] > 4 * flaw[name, "honest"][1] for name in asked) and edges[0] > 0.9

        assert (after.argmax(axis=1) == top).all() and stable["Grad-CAM"].min() > 0.95
        assert stable["Saliency"].max() < 0.6 and (stable["SmoothGrad"] > stable["Saliency"] + 0.08).all()
    """,
    "09_training": """
        assert recalls[3] > 0.95 and corner[0] < 0.2 and min(corner[2:]) > 0.35
        assert lost < 0.2 and called > 0.9 and honest_corner < 0.1
        assert all(change < 0.5 * size for change in moved) and ratios[-1] > ratios[0] + 0.1
        assert "hires_cam/flower/5" in tags and "hires_cam/score" in tags and unchanged
    """,
    "10_saved_model": """
        assert "Lambda" in refused["lambda.keras"] and "unsafe=True" in refused["lambda.keras"]
        assert list(refused) == ["lambda.keras", "half.keras", "labels.txt", "thing.keras"]
        assert all("\\n" not in line for line in refused.values())
        assert inspected == explained == 0
        assert str(kv.Network(model).address()) == "base/head_relu" and str(network.address()) == "relu5"
        assert [fields.fields[layer].size[0] for layer in fields.fields] == [3, 8, 18, 54]

        filed, fresh = norms["from the file"], norms["with new weights"]
        assert (filed < 1e-3).sum() == 4 and filed.max() > 5 * np.sort(filed)[4]
        assert fresh.max() < 3 * fresh.min()
        assert counts == {"things": (33, 0), "shapes_cnn": (5, 0)}

        assert answers["0 to 255"].argmax(axis=1).tolist() == [0, 1, 2] and answers["0 to 255"].max(axis=1).min() > 0.95
        for other in ("0 to 1", "-1 to 1"):
            assert len(set(answers[other].argmax(axis=1))) == 1 and answers[other].max() < 0.7
        assert names[said.argmax()] == "motorcycle" and unknown < known.min() / 2

        assert same < 1e-5 and from_path < 1e-5
        assert apart < 1e-5 and str(opened.address()) == "base/head_relu/Relu6" and compared.same_weights
        cup = heat.values[1, 20:140, 40:190].sum() / heat.values[1].sum()
        assert cup > 0.5, cup
        assert "manifest.json" in written and len(written) == 10
        assert "coffee" in text and "base/head_relu" in text and len(text) < 5e6 and not outside
        assert not Path(folder.name).exists() and Path.cwd() == home
    """,
    "11_lecture": """
        assert {name: matrices[name].numpy().astype(int).tolist() for name in rules.RULES} == {
            "backprop": [[-2, 0, -1], [6, 0, 0], [0, -1, 3]],
            "deconvnet": [[0, 3, 0], [6, 0, 1], [2, 0, 3]],
            "guided": [[0, 0, 0], [6, 0, 0], [0, 0, 3]],
        }
        assert gradient.score[0] == 1 and not gradient.values.any() and len(said) >= 1
        np.testing.assert_allclose(integrated.values, [[0.5, 0.5]], atol=0.02)
        assert (slopes[:50] == 2).all() and (slopes[51:] == 0).all()

        assert names == ["Egyptian cat", "espresso"]
        grids = np.abs(np.asarray(deconvnet)).reshape(2, -1)
        assert np.corrcoef(grids)[0, 1] > 0.9
        assert np.corrcoef(np.abs(np.asarray(guided)).reshape(2, -1))[0, 1] < 0.5
        masks = scenes.subject_mask()[:2]
        strength = np.abs(pooled.values).sum(axis=-1)
        assert all(one[mask].mean() > 1.3 * one[~mask].mean() for one, mask in zip(strength, masks, strict=True))

        assert drops["75 px"] > 1.2 * max(drops["32 px"], drops["50 px"])
        for values in sizes.values():
            y, x = np.unravel_index(values[0].argmax(), (224, 224))
            assert y < 112 and 40 < x < 190, (y, x)

        assert min(alike) > 0.99
        for maps in (np.maximum(cam.values, 0), grad_cam.values):
            left = maps[:, :, :112].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
            assert left[0] > 0.7 and left[1] < 0.3, left
        assert 0.25 < min(sides["guided backprop"]) and max(sides["guided backprop"]) < 0.75
        assert sides["guided Grad-CAM"][0] > 0.8 and sides["guided Grad-CAM"][1] < 0.2

        assert (classes.scores > 1.5 * saliency.score).all()
        assert fooled.found.all() and evolved.found.sum() >= 6

        lit = dissected.best.iou[units]
        assert detectors >= 58 and lit[0] > 0.25 and lit[0] > lit[-1] + 0.1
        assert curve.ratios[0] < 0.2 and curve.ratios[-1] > 0.9 and (np.diff(curve.ratios) >= 0).all()
        assert found.critical.all() and (found.new_classes != scenes.labels[:3]).all()
    """,
}


def pictures(cell):
    """The pictures that a cell shows, as arrays."""
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        text = data.get("image/png") or data.get("image/jpeg")
        if text:
            shown.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")))
    return shown


def complaints(cell):
    """What a cell says that a reader should not see: lines on stderr, and warnings shown as rich text."""
    lines = []
    for output in cell.outputs:
        text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
        if output.get("name") == "stderr":
            lines += [line for line in text.splitlines() if line.strip() and not REMARKS.match(line)]
        elif output.output_type == "error" or re.search(r"\w+Warning: ", text):
            lines.append(text or output.get("evalue"))
    return lines


def code_cells(notebook):
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def files_beside(path):
    """The files in the folder of a notebook."""
    return {file: file.stat().st_mtime for file in path.parent.rglob("*") if "__pycache__" not in file.parts}


def test_there_are_notebooks():
    assert NOTEBOOKS
    assert set(CLAIMS) <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook_is_whole_and_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < MOST_BYTES
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not complaints(cell)
        assert all(picture.std() > 5 for picture in pictures(cell)), "an empty picture"
    assert any(pictures(cell) for cell in cells)
    assert path.name in (path.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    files = files_beside(path)
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.from_dict(stored)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    claims = "\n".join(line.removeprefix("        ") for line in CLAIMS.get(path.stem, "").splitlines())
    fresh.cells.append(nbformat.v4.new_code_cell(f"import time\nspent = time.process_time()\n{claims}\nspent"))
    environment = {
        **os.environ,
        # The package under test, also where it is not installed; and a proxy that leads nowhere, so that a
        # download fails instead of passing unseen.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # Where a reader runs it: some import modules beside them.
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(fresh, timeout=600, kernel_name="python3", resources=place).execute(env=environment)
    ran = code_cells(fresh)
    assert not [line for cell in ran for line in complaints(cell)]
    assert float(ran[-1].outputs[-1]["data"]["text/plain"]) < MOST_SECONDS
    # Each cell that draws shows as many pictures, of the same sizes, as the stored file does.
    for before, now in zip(code_cells(stored), ran, strict=False):
        assert [p.shape for p in pictures(now)] == [p.shape for p in pictures(before)], now.source
        assert all(picture.std() > 5 for picture in pictures(now))
    assert files_beside(path) == files, "the notebook left files behind"
