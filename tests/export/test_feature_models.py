"""Models of features, with random weights: alone, and behind the network that made them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from export import saved_model
from export.backbone import backbone_of
from export.servable import Servable
from export.warm_up import write_warm_up
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.config.features import FeaturesConfig
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.features.extraction import extract
from tests.export.conftest import encoded, random_run
from tests.features.conftest import random_lite0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return random_run(tmp_path_factory.mktemp("features"), (5, 7, 3))


@pytest.fixture(scope="module")
def servable(run, tmp_path_factory):
    return Servable(run.network, run.vocabulary, tmp_path_factory.mktemp("assets"))


@pytest.fixture(scope="module")
def answer(servable):
    """`serving_default` as it is exported."""
    return servable.to_module(["serving_default"])[1]["serving_default"]


@pytest.fixture(scope="module")
def lite0_file(tmp_path_factory):
    """Random weights of EfficientNet-Lite0."""
    path = tmp_path_factory.mktemp("weights") / "lite0.npz"
    np.savez(path, **random_lite0())
    return path


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
    jitted = Servable(run.network, run.vocabulary, tmp_path, jit=True).to_module(
        ["serving_default"]
    )[1]
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
    module, signatures = servable.to_module(["serving_default"])
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
    found = servable.to_module(["serving_default"])[1]["serving_default"](**request)[
        "top_probabilities"
    ][0, :3]
    inputs = {"features": request["features"], "question": tf.constant([[2, 3]])}
    expected = np.sort(tf.nn.softmax(run.network(inputs)["logits"]).numpy()[0])[::-1]
    np.testing.assert_allclose(found, expected, atol=0.01)


def resnet(weights) -> ExportConfig:
    features = FeaturesConfig(backbone="resnet101", backbone_weights=str(weights))
    return ExportConfig(with_backbone=True, features=features)


def test_a_backbone_needs_its_weights_and_a_run_on_features(run, trained, tmp_path):
    nothing = resnet(tmp_path / "none.h5")
    with pytest.raises(InputError, match=r"none\.h5.*no such file"):
        saved_model.export_run(run, nothing)
    with pytest.raises(InputError, match="reads pictures itself"):
        saved_model.export_run(trained, nothing)
    (tmp_path / "none.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"none\.h5: holds no weights"):
        saved_model.export_run(run, nothing)
    assert not (run.run_dir / "export").exists()


def test_pixels_and_stored_features_get_the_same_answers(lite0_file, tmp_path):
    size = (40, 56)  # rows and columns: maps of 5x7
    backbone = Backbone("efficientnet_lite0", "reduction8", size, weights=str(lite0_file))
    folder = tmp_path / "data" / "images" / "val"
    folder.mkdir(parents=True)
    pictures = [encoded(*size), encoded(*size, seed=1), encoded(31, 75)]
    for i, picture in enumerate(pictures):
        (folder / f"{i}.png").write_bytes(picture)
    store = FeatureStore(extract(backbone, tmp_path / "data", "val", tmp_path / "f.h5"))
    run = random_run(tmp_path, store.shape, feature_identity=store.identity)
    options = ExportConfig(
        with_backbone=True, features=FeaturesConfig(backbone_weights=str(lite0_file))
    )
    questions = tf.constant(["is it", "red", "is red"])
    of_pictures = Servable(run.network, run.vocabulary, tmp_path, backbone_of(run, options))
    of_features = Servable(run.network, run.vocabulary, tmp_path)
    found = of_pictures.serving_default(questions, tf.constant(pictures))
    stored = tf.constant(store.read(np.arange(3)))
    expected = of_features.serving_default(questions, stored)
    difference = np.abs(found["top_probabilities"] - expected["top_probabilities"]).max(axis=1)
    assert difference[:2].max() < 1e-5
    assert difference[2] < 0.02  # scaled in the graph: one pixel in 200 is a level off
    np.testing.assert_array_equal(found["answer"], expected["answer"])
    other = of_features.serving_default(questions, stored[::-1])
    assert np.abs(other["top_probabilities"] - expected["top_probabilities"]).max() > 1e-4


def test_the_backbone_of_an_export_is_the_one_that_the_features_came_from(lite0_file, tmp_path):
    backbone = Backbone("efficientnet_lite0", "reduction8", (40, 56), weights=str(lite0_file))
    run = random_run(tmp_path, (5, 7, 40), feature_identity=backbone.identity.to_text())
    with np.load(lite0_file) as arrays:
        other = {**arrays, "_bn0.bias": arrays["_bn0.bias"] + 1}
    np.savez(tmp_path / "other.npz", **other)
    features = FeaturesConfig(backbone_weights=str(tmp_path / "other.npz"))
    with pytest.raises(InputError, match=r"other\.npz: its features are of the weights"):
        saved_model.export_run(run, ExportConfig(with_backbone=True, features=features))
    with pytest.raises(InputError, match="--backbone is 'resnet101', but .* efficientnet_lite0"):
        saved_model.export_run(run, resnet(tmp_path / "w.h5"))
    unknown = random_run(tmp_path, (5, 7, 3))
    features = FeaturesConfig(backbone_weights=str(lite0_file))
    with pytest.raises(InputError, match=r"shape \[14, 14, 112\].*trained on \[5, 7, 3\]"):
        saved_model.export_run(unknown, ExportConfig(with_backbone=True, features=features))


@pytest.mark.slow
def test_behind_resnet_101_a_picture_is_answered(tmp_path):
    run = random_run(tmp_path, (14, 14, 1024))
    whole = keras.applications.ResNet101(include_top=False, weights=None, input_shape=(224, 224, 3))
    whole.save_weights(tmp_path / "resnet.h5")
    folder = saved_model.export_run(run, resnet(tmp_path / "resnet.h5"))
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
