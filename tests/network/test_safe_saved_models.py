"""SavedModels whose graphs reach out of the graph, or whose files are not whole."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import node_def_pb2, op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

import kerasviz as kv
from kerasviz.errors import LoadError
from kerasviz.network.files.operations import reaching_out


def refused(path, **options):
    with pytest.raises(LoadError) as error:
        kv.load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "the graph was run"


def save(folder, function, signatures=True, **parts):
    """A SavedModel whose signature is a function of an input (None, 3)."""
    module = tf.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    module.call = tf.function(function, input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    tf.saved_model.save(module, folder, {"serving_default": module.call} if signatures else None)
    return folder


def then(run):
    """A network that does something on the side."""

    def function(x):
        with tf.control_dependencies([run(x)]):
            return tf.nn.relu(x)

    return function


def in_a_branch(run):
    return lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: then(run)(x), lambda: x)


def in_a_loop(run):
    return lambda x: tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, then(run)(y)), [0, x])[1]


def in_a_map(run):
    return lambda x: tf.map_fn(then(run), x)


def in_a_gradient(run):
    @tf.custom_gradient
    def relu(x):
        return tf.nn.relu(x), lambda upstream: then(run)(upstream)

    return relu


def hidden_in_a_call(run):
    inner = tf.function(then(run))
    outer = tf.function(lambda x: inner(x) + 1)
    return lambda x: outer(x)


def write(path):
    return lambda x: tf.io.write_file(str(path), "code ran")


@pytest.mark.parametrize("hide", [then, in_a_branch, in_a_loop, in_a_map, in_a_gradient, hidden_in_a_call])
def test_an_operation_that_writes_a_file_is_found(hide, tmp_path, canary):
    folder = save(tmp_path / "folder", hide(write(canary)))
    assert "a WriteFile, which reads and writes files" in refused(folder)
    assert "unsafe=True only if you trust" in refused(folder)


OPERATIONS = {
    "PyFunc": lambda x: tf.numpy_function(lambda y: y, [x], tf.float32),
    "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], tf.float32),
    "ReadFile": lambda x: tf.io.read_file("/etc/passwd"),
    "MatchingFiles": lambda x: tf.io.matching_files("/etc/*"),
    "PrintV2": lambda x: tf.print(x, output_stream="file:///tmp/kerasviz_canary"),
    "SaveV2": lambda x: tf.raw_ops.SaveV2(prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], tensors=[x]),
    "RestoreV2": lambda x: tf.raw_ops.RestoreV2(
        prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
    "TextLineDataset": lambda x: tf.data.TextLineDataset("/etc/passwd").reduce("", lambda a, b: a + b),
    "TFRecordDataset": lambda x: tf.data.TFRecordDataset("/etc/passwd").reduce("", lambda a, b: a + b),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_that_reach_out_are_named(name, tmp_path):
    said = refused(save(tmp_path / "folder", then(OPERATIONS[name])))
    assert re.search(rf"a {name}(V2)?, which ", said), said


def test_printing_on_the_terminal_is_no_harm(tmp_path, capfd):
    model = kv.load(save(tmp_path / "folder", then(lambda x: tf.print("seen", tf.shape(x)))))
    np.testing.assert_array_equal(model(np.array([[-1.0, 0, 2]], "float32")), [[0, 0, 2]])


def test_whoever_trusts_the_file_may_open_it(tmp_path):
    path = tmp_path / "canary"
    folder = save(tmp_path / "folder", then(write(path)))
    tf.saved_model.load(folder).signatures["serving_default"](tf.ones((1, 3)))
    assert path.read_text() == "code ran"  # so that what is refused does run
    kv.load(folder, unsafe=True)


def test_what_runs_on_loading_is_looked_at(tmp_path, canary):
    """The initializer of a table, which no signature names."""

    class Table(tf.saved_model.experimental.TrackableResource):
        def __init__(self):
            super().__init__()
            assert self.resource_handle is not None

        def _create_resource(self):
            return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64, shared_name="t", container="")

        @tf.function
        def _initialize(self):
            tf.io.write_file(str(canary), "code ran")

        def _destroy_resource(self):
            pass

    table = Table()
    canary.unlink(missing_ok=True)
    folder = save(tmp_path / "folder", lambda x: tf.nn.relu(x), table=table)
    canary.unlink(missing_ok=True)
    assert "a WriteFile" in refused(folder)


def text_table(path):
    names = tf.lookup.TextFileInitializer(str(path), tf.string, 0, tf.int64, 1, delimiter=",")
    return tf.lookup.StaticHashTable(names, -1)


def with_table(table):
    return lambda x: tf.nn.relu(x) + tf.cast(table.lookup(tf.constant(["cat"])), tf.float32)


def test_a_table_reads_the_assets_of_its_model_and_nothing_else(tmp_path):
    (tmp_path / "names.txt").write_text("dog,1\ncat,7\n")
    table = text_table(tmp_path / "names.txt")
    folder = save(tmp_path / "folder", with_table(table), table=table)
    (tmp_path / "names.txt").unlink()
    np.testing.assert_array_equal(kv.load(folder)(np.zeros((1, 3), "float32")), [[7, 7, 7]])
    edit(folder, lambda graph: setattr(graph.asset_file_def[0], "filename", "../../names.txt"))
    assert "the asset '../../names.txt', a path that leads out" in refused(folder)
    edit(folder, lambda graph: graph.ClearField("asset_file_def"))
    assert "InitializeTableFromTextFileV2, which reads files" in refused(folder)


def edit(folder, change):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    change(saved.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())


def test_the_saver_may_save_and_restore_and_no_more(tmp_path):
    folder = save(tmp_path / "folder", lambda x: x * 2, variable=tf.Variable(1.0))
    kv.load(folder)

    def with_the_saver(add):
        def change(graph):
            for function in graph.graph_def.library.function:
                if "traced_restore" in function.signature.name:
                    add(graph, function)
                    return
            pytest.fail("there is no saver")

        return change

    def more(graph, function):
        function.node_def.append(node_def_pb2.NodeDef(name="more", op="ReadFile"))

    def called(graph, function):
        calling = next(f for f in graph.graph_def.library.function if "signature_wrapper" in f.signature.name)
        node = calling.node_def.add(name="steals", op="PartitionedCall")
        node.attr["f"].func.name = function.signature.name

    whole = (folder / "saved_model.pb").read_bytes()
    edit(folder, with_the_saver(more))
    assert "the operation 'more', a ReadFile" in refused(folder)
    (folder / "saved_model.pb").write_bytes(whole)
    edit(folder, with_the_saver(called))
    assert "a RestoreV2, which reads and writes checkpoints" in refused(folder)


def tensorflow_1(folder, build, on_loading=None):
    """A SavedModel of TensorFlow 1, which is one graph with a saver inside."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 3), name="x")
        y = tf.identity(build(x, lambda: v1.get_variable("w", initializer=tf.ones((3, 2)))), name="y")
        builder = v1.saved_model.Builder(str(folder))
        session.run(v1.global_variables_initializer())
        infos = [{name: v1.saved_model.build_tensor_info(t)} for name, t in (("x", x), ("y", y))]
        signature = v1.saved_model.build_signature_def(*infos, "predict")
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=on_loading and on_loading()
        )
        builder.save()
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exports_of_tensorflow_1_are_followed_from_their_outputs(tmp_path, canary):
    def beside(x, w):
        tf.io.write_file(str(canary), "unused")
        return x @ w()

    model = kv.load(tensorflow_1(tmp_path / "good", beside))
    np.testing.assert_array_equal(model(np.ones((1, 3), "float32")), [[3, 3]])

    def inside(x, w):
        y = x @ w()
        with tf.control_dependencies([tf.io.write_file(str(canary), "run")]):
            return y + 1

    assert "a WriteFile" in refused(tensorflow_1(tmp_path / "bad", inside))
    first = tensorflow_1(tmp_path / "first", lambda x, w: x @ w(), lambda: tf.io.write_file(str(canary), "run"))
    assert "a WriteFile" in refused(first)


#: Operations that take a name of something outside, or sound like it, and stay inside.
HARMLESS = (
    r"Snapshot|Sharded\w+|TensorSliceDataset|SetStatsAggregator\w*|CTC\w+|\w*SetStatsAggregatorDataset"
    r"|Reader\w+"  # work on a reader, which is refused
    r"|InitializeTableFromTextFile(V2)?|PrintV2|DecodeProtoV2|EncodeProto"  # by their settings
    r"|(Close|Flush)SummaryWriter"  # likewise
    r"|SaveDatasetV2|ResourceGather"
)


def test_every_operation_of_tensorflow_that_names_a_file_or_an_address_is_known():
    listed = op_def_pb2.OpList()
    listed.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    outside = re.compile(r"file|(?<!top_)path|address|url|logdir|_dir$|directory|prefix|uri|query|memory_region")
    unknown = []
    for op in listed.op:
        names = [each.name for each in (*op.input_arg, *op.attr)]
        if any(map(outside.search, names)) and not re.fullmatch(HARMLESS, op.name):
            node = node_def_pb2.NodeDef(op=op.name)
            if reaching_out(node) is None:
                unknown.append((op.name, [name for name in names if outside.search(name)]))
    assert len(listed.op) > 1000 and unknown == []


@pytest.mark.parametrize("name", ["Conv2D", "ReadVariableOp", "Snapshot", "SaveableThing", "Print", "LoadIt"])
def test_other_operations_pass(name):
    assert reaching_out(node_def_pb2.NodeDef(op=name)) is None


def test_an_unknown_operation_is_an_error_of_one_line(tmp_path):
    folder = save(tmp_path / "folder", lambda x: tf.nn.relu(x))

    def strange(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Relu":
                    node.op = "CompanyRelu"

    edit(folder, strange)
    assert "CompanyRelu" in refused(folder)


def test_functions_that_call_each_other_end(tmp_path):
    folder = save(tmp_path / "folder", hidden_in_a_call(lambda x: tf.no_op()))

    def circle(graph):
        names = [f.signature.name for f in graph.graph_def.library.function if "lambda" in f.signature.name]
        for function in graph.graph_def.library.function:
            if function.signature.name in names:
                node = function.node_def.add(name="again", op="PartitionedCall")
                node.attr["f"].func.name = names[0]

    edit(folder, circle)
    assert "cannot be opened" in refused(folder)


def test_missing_variables_are_refused(tmp_path):
    def fresh(name):
        kernel = tf.Variable(tf.ones((3, 2)))
        return save(tmp_path / name, lambda x: x @ kernel, kernel=kernel)

    folder = fresh("a")
    (folder / "variables" / "variables.index").unlink()
    assert "lacks its variables: there is no variables.index" in refused(folder)
    folder = fresh("b")
    next((folder / "variables").glob("*.data-*")).unlink()
    assert "not all of variables.data-* are there" in refused(folder)
    folder = fresh("d")
    data = next((folder / "variables").glob("*.data-*"))
    data.rename(data.with_name("variables.data-00000-of-00002"))
    assert "not all of variables.data-* are there" in refused(folder)
    # A checkpoint of something else.
    other = tf.train.Checkpoint(other=tf.Variable(tf.ones(9))).write(str(tmp_path / "other"))
    folder = fresh("c")
    for file in (folder / "variables").iterdir():
        file.unlink()
    for ending in (".index", ".data-00000-of-00001"):
        (folder / "variables" / f"variables{ending}").write_bytes(Path(other + ending).read_bytes())
    assert "cannot be opened" in refused(folder)


def test_a_model_without_variables_needs_no_checkpoint(tmp_path):
    """One of TensorFlow 1, that is; TensorFlow 2 writes one with nothing in it, and wants it back."""
    folder = tensorflow_1(tmp_path / "folder", lambda x, w: tf.nn.relu(x))
    shutil.rmtree(folder / "variables", ignore_errors=True)
    np.testing.assert_array_equal(kv.load(folder)(np.array([[-1.0, 0, 2]], "float32")), [[0, 0, 2]])
    folder = save(tmp_path / "other", lambda x: tf.nn.relu(x))
    shutil.rmtree(folder / "variables")
    assert "lacks its variables" in refused(folder)
