"""Files that claim more than they hold are refused before memory is taken for it."""

import json
import re
import resource
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from tensorflow.core.protobuf import saved_model_pb2

import kerasviz as kv
from kerasviz.errors import LoadError
from kerasviz.network.files import describe, sizes

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def refused(path, **options):
    with pytest.raises(LoadError) as error:
        kv.load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def dense(units=2):
    return keras.Sequential([keras.Input((4,)), L.Dense(units, name="dense")])


def rewritten(path, changes, extra=(), compression=zipfile.ZIP_STORED):
    """Write a `.keras` file anew, with members changed by functions of their bytes, and others added."""
    members = {}
    with zipfile.ZipFile(path) as old:
        for name in old.namelist():
            members[name] = changes.get(name, lambda data: data)(old.read(name))
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in [*members.items(), *extra]:
            new.writestr(name, data)
    return path


def claiming(path, units):
    """A file whose layer of two units says that it has many."""
    dense().save(path)
    old, new = '"units": 2', f'"units": {units}'
    if path.suffix == ".keras":
        return rewritten(path, {"config.json": lambda data: data.replace(old.encode(), new.encode())})
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        assert old in config
        file.attrs["model_config"] = config.replace(old, new)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_ten_gigabytes_is_refused_before_it_is_made(suffix, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = refused(claiming(tmp_path / f"model{suffix}", 650_000_000))
    assert "its layers ask for 9.69 GB of weights, and it holds 40 B" in said
    # Kilobytes; the layer would be ten million.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_many_layers_count_together(tmp_path):
    """Each is small enough by itself; the sum is not."""
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), *(L.Dense(2) for _ in range(6))]).save(path)

    def wider(data):
        data = re.sub(rb', "build_config": {.*?}', b"", data)  # the shapes that would not fit
        return data.replace(b'"units": 2', b'"units": 2500')

    rewritten(path, {"config.json": wider})
    assert "its layers ask for" in refused(path)


def test_what_is_asked_for_is_counted_to_the_byte(monkeypatch, tmp_path):
    dense().save(tmp_path / "model.keras")  # 40 bytes: (4 + 1) * 2 floats
    monkeypatch.setattr(sizes, "FLOOR", -41)
    assert "ask for 40 B" in refused(tmp_path / "model.keras")
    for allowed in (-40, 0):
        monkeypatch.setattr(sizes, "FLOOR", allowed)
        assert kv.load(tmp_path / "model.keras").count_params() == 10


def test_a_json_architecture_is_bounded_by_the_weights(tmp_path):
    dense().save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.json").write_text(dense().to_json().replace('"units": 2', '"units": 650000000'))
    assert "ask for 9.69 GB" in refused(tmp_path / "x.weights.h5", architecture=tmp_path / "x.json")


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path):
    path = tmp_path / "bomb.keras"
    dense().save(path)
    rewritten(path, {}, [("assets/zeros", bytes(80 * 2**20))], zipfile.ZIP_DEFLATED)
    assert "'assets/zeros' would take 80 MB, of 7" in refused(path)


def test_members_count_together(tmp_path):
    path = tmp_path / "bomb.keras"
    dense().save(path)
    rewritten(path, {}, [(f"assets/{n}", bytes(20 * 2**20)) for n in range(6)], zipfile.ZIP_DEFLATED)
    assert "it would take 120 MB" in refused(path)


def test_a_compressed_file_opens(tmp_path):
    path = tmp_path / "packed.keras"
    model = dense()
    model.save(path)
    rewritten(path, {}, compression=zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(kv.load(path).get_weights()[0], model.get_weights()[0])


def test_more_than_the_machine_has_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    dense(3000).save(path)
    monkeypatch.setattr(sizes, "physical_memory", lambda: 50_000)
    said = refused(path)
    assert "too large for this machine" in said and "of 48.8 KB memory" in said


def replaced(path, name, create):
    """Give an HDF5 file another array in the place of one, made by `create(file, name, shape)`."""
    with h5py.File(path, "r+") as file:
        shape = file[name].shape
        del file[name]
        create(file, name, shape)


def unallocated(file, name, shape):
    file.create_dataset(name, (2**18, 2**14), "f4", chunks=(64, 64))


def packed_zeros(file, name, shape):
    # Beside them enough that the file as a whole could be what it claims.
    file["noise"] = np.random.default_rng(0).integers(256, size=2**20, dtype="uint8")
    file.create_dataset(name, data=np.zeros(20 * 2**20, "f4"), chunks=(2**20,), compression="gzip")


def never_written(file, name, shape):
    file.create_dataset(name, shape, "f4")


def soft_link(file, name, shape):
    file[name] = h5py.SoftLink("/model_weights")


def external_link(file, name, shape):
    file[name] = h5py.ExternalLink("/etc/passwd", "/")


def external_values(file, name, shape):
    file.create_dataset(name, shape, "f4", external=[("/etc/passwd", 0, 4 * int(np.prod(shape)))])


def virtual(file, name, shape):
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape)
    file.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("inside", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize(
    ("create", "words"),
    [
        (unallocated, "claims more than it stores"),
        (packed_zeros, "' would take 80 MB"),
        (never_written, "claims more than it stores"),
        (soft_link, "a link to another place"),
        (external_link, "a link to another place"),
        (external_values, "values are in another file"),
        (virtual, "values are in another file"),
    ],
)
def test_arrays_that_are_not_in_the_file_are_refused(create, words, inside, tmp_path):
    model, path = dense(), tmp_path / f"model{inside}"
    if inside == ".h5":
        model.save(path)
        replaced(path, _kernel(path), create)
        assert words in refused(path)
        return
    weights = tmp_path / "model.weights.h5"
    model.save_weights(weights)
    replaced(weights, _kernel(weights), create)
    if inside == ".keras":
        model.save(path)
        rewritten(path, {"model.weights.h5": lambda data: weights.read_bytes()})
    assert words in refused(path, architecture=model if inside == ".weights.h5" else None)


def _kernel(path):
    """The path of the array of shape (4, 2)."""
    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, node: found.append(name) if getattr(node, "shape", 0) == (4, 2) else None)
    return found[0]


def test_a_group_that_holds_itself_ends(tmp_path):
    path = tmp_path / "model.h5"
    dense().save(path)
    with h5py.File(path, "r+") as file:
        file["model_weights/again"] = file["model_weights"]
    assert kv.load(path).count_params() == 10


@pytest.fixture
def exported(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((3, 2)), name="kernel")
    module.call = tf.function(lambda x: x @ module.kernel + tf.constant(np.ones((1, 2), "float32")))
    signature = module.call.get_concrete_function(tf.TensorSpec((None, 3), tf.float32))
    tf.saved_model.save(module, tmp_path / "folder", {"serving_default": signature})
    return tmp_path / "folder"


def changed_graph(folder, change):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    change(saved.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())


def test_a_constant_of_one_value_and_a_huge_shape_is_refused(exported):
    kv.load(exported)

    def widen(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum:
                    tensor = node.attr["value"].tensor
                    tensor.ClearField("tensor_content")
                    tensor.float_val[:] = [1.0]
                    tensor.tensor_shape.dim[0].size = 2**30
                    return
        pytest.fail("there is no constant")

    changed_graph(exported, widen)
    assert "the constants of its graph would take 8 GB" in refused(exported)


def test_variables_without_their_values_are_refused(exported):
    with next((exported / "variables").glob("*.data-*")).open("r+b") as file:
        file.truncate(20)
    assert "has variables that are truncated or damaged" in refused(exported)
    # As TensorFlow 1 writes them, where nothing needs to be read.
    names = {"tensor_names": ["w"], "shape_and_slices": [""]}
    tf.raw_ops.SaveV2(prefix=str(exported / "old"), tensors=[tf.ones((3, 2))], **names)
    with (exported / "old.data-00000-of-00001").open("r+b") as file:
        file.truncate(20)
    with pytest.raises(LoadError, match="its variables take 24 bytes, and its files hold 20"):
        describe(exported / "old")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process took")
def test_no_claim_takes_a_gigabyte(tmp_path):
    """All of them in one process of its own, whose memory the system counts."""
    keras_file, h5_file = claiming(tmp_path / "a.keras", 650_000_000), claiming(tmp_path / "b.h5", 650_000_000)
    bomb = tmp_path / "bomb.keras"
    dense().save(bomb)
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("assets/zeros", "w") as member:
        for _ in range(8):
            member.write(bytes(2**26))
    script = f"""
        import json, pathlib, re
        import kerasviz as kv
        said = []
        for path in {[str(keras_file), str(h5_file), str(bomb)]!r}:
            try:
                kv.load(path)
            except kv.errors.LoadError as error:
                said.append(str(error))
        # Not what `resource` says: that counts the process that started this one, too.
        print(json.dumps([said, int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    said, kilobytes = json.loads(done.stdout)
    assert len(said) == 3 and all("is not what it claims" in line for line in said)
    assert kilobytes < 1_000_000
