"""Models of features, with random weights: alone, and behind ResNet-101."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from export import saved_model
from export.servable import Servable
from export.warm_up import write_warm_up
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.errors import InputError
from tests.export.conftest import encoded, random_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return random_run(tmp_path_factory.mktemp("features"), (5, 7, 3))


@pytest.fixture(scope="module")
def servable(run, tmp_path_factory):
    return Servable(run.network, run.vocabulary, tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="module")
def answer(servable):
    """`serving_default` as it is exported."""
    return servable.to_module()[1]["serving_default"]


def features(batch: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=[batch, *shape]).astype(np.float32)


def test_it_answers_as_the_network(run, answer):
    inputs = {
        "features": tf.constant(features(2, 5, 7, 3)),
        "question": tf.constant([[2, 3], [4, 0]]),
    }
    expected = tf.nn.softmax(run.network(inputs)["logits"]).numpy()
    reply = answer(question=tf.constant(["is it", "red"]), features=inputs["features"])
    order = np.argsort(-expected, axis=1)
    texts = [[run.vocabulary.answers[i].encode() for i in row] + [b"", b""] for row in order]
    assert reply["top_answers"].numpy().tolist() == texts
    best = np.pad(np.take_along_axis(expected, order, axis=1), [[0, 0], [0, 2]])
    np.testing.assert_allclose(reply["top_probabilities"], best, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused(answer, value):
    damaged = features(3, 5, 7, 3)
    damaged[1, 2, 3, 1] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="features 1 hold NaN or infinity"):
        answer(question=tf.constant(["is it"] * 3), features=tf.constant(damaged))


def test_features_beyond_all_measure_get_an_answer_or_a_sentence(answer):
    for scale in (1e10, 1e38):
        enormous = tf.constant(scale * np.sign(features(1, 5, 7, 3)), tf.float32)
        try:
            reply = answer(question=tf.constant(["is it"]), features=enormous)
            assert np.isfinite(reply["top_probabilities"]).all()
        except tf.errors.InvalidArgumentError as error:
            assert "no finite answer" in error.message


def test_warm_up_with_features_is_small_and_is_answered(servable, answer, tmp_path):
    from tensorflow_serving.apis import prediction_log_pb2

    write_warm_up(tmp_path, servable)
    (path,) = (tmp_path / "assets.extra").iterdir()
    assert path.stat().st_size < 20_000
    record = next(tf.data.TFRecordDataset(str(path)).skip(5).take(1).as_numpy_iterator())
    inputs = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request.inputs
    reply = answer(**{name: tf.constant(tf.make_ndarray(inputs[name])) for name in inputs})
    assert reply["answer"].shape == [32]


def test_a_jitted_network_says_so_and_answers_the_same(run, answer, tmp_path):
    jitted = Servable(run.network, run.vocabulary, tmp_path, jit=True).to_module()[1]
    function = jitted["serving_default"]
    library = function.graph.as_graph_def().library.function
    assert any("_XlaMustCompile" in called.attr for called in library)
    request = {"question": tf.constant(["is it"]), "features": tf.constant(features(1, 5, 7, 3))}
    np.testing.assert_allclose(
        function(**request)["top_probabilities"], answer(**request)["top_probabilities"], atol=1e-5
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_stored_weights_are_half_as_large_and_answer_nearly_the_same(run, answer, tmp_path, dtype):
    servable = Servable(run.network, run.vocabulary, tmp_path, dtype=dtype)
    module, signatures = servable.to_module()
    exact = {variable.name for variable in module.weights if variable.dtype != dtype}
    assert exact == {variable.name for variable in run.network.structure_variables}
    assert len(module.weights) == len(run.network.variables)
    request = {"question": tf.constant(["is it"]), "features": tf.constant(features(1, 5, 7, 3))}
    expected = answer(**request)["top_probabilities"]
    found = signatures["serving_default"](**request)["top_probabilities"]
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert np.abs(found - expected).max() > 0  # the rounded weights are those that answer
    again = run.network({"features": request["features"], "question": tf.constant([[2, 3]])})
    best = np.sort(tf.nn.softmax(again["logits"]).numpy()[0])[::-1]
    np.testing.assert_allclose(best, expected[0, :3], atol=1e-6)  # the network is as it was


def test_hard_operators_may_be_stored_in_half_as_well(tmp_path):
    run = random_run(tmp_path, (5, 7, 3), hard_operators=True)
    servable = Servable(run.network, run.vocabulary, tmp_path, dtype="bfloat16")
    request = {"question": tf.constant(["is it"]), "features": tf.constant(features(1, 5, 7, 3))}
    found = servable.to_module()[1]["serving_default"](**request)["top_probabilities"][0, :3]
    inputs = {"features": request["features"], "question": tf.constant([[2, 3]])}
    expected = np.sort(tf.nn.softmax(run.network(inputs)["logits"]).numpy()[0])[::-1]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_backbone_needs_its_weights_and_a_run_on_features(run, trained, tmp_path):
    nothing = ExportConfig(with_backbone=True, backbone_weights=str(tmp_path / "none.h5"))
    with pytest.raises(InputError, match=r"none\.h5.*no such file"):
        saved_model.export_run(run, nothing)
    with pytest.raises(InputError, match="reads pictures itself"):
        saved_model.export_run(trained, nothing)
    (tmp_path / "none.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"none\.h5: holds no weights"):
        saved_model.export_run(run, nothing)
    assert not (run.run_dir / "export").exists()


@pytest.mark.slow
def test_behind_resnet_101_a_picture_is_answered(tmp_path):
    run = random_run(tmp_path, (14, 14, 1024))
    whole = keras.applications.ResNet101(include_top=False, weights=None, input_shape=(224, 224, 3))
    whole.save_weights(tmp_path / "resnet.h5")
    options = ExportConfig(with_backbone=True, backbone_weights=str(tmp_path / "resnet.h5"))
    folder = saved_model.export_run(run, options)
    picture = encoded(224, 224)
    signatures = tf.saved_model.load(str(folder)).signatures
    reply = signatures["serving_default"](
        question=tf.constant(["is it"]), image=tf.constant([picture])
    )
    # The same by hand: Caffe's means, blue first.
    pixels = tf.cast(tf.io.decode_png(picture), tf.float32)[tf.newaxis, ..., ::-1]
    conv4 = keras.Model(whole.input, whole.get_layer("conv4_block23_out").output)
    maps = conv4(pixels - [103.939, 116.779, 123.68], training=False)
    logits = run.network({"features": maps, "question": tf.constant([[2, 3]])})["logits"]
    expected = np.sort(tf.nn.softmax(logits).numpy()[0])[::-1]
    np.testing.assert_allclose(reply["top_probabilities"][0][:3], expected, atol=1e-5)
