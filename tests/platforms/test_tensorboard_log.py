"""What a search leaves for TensorBoard, read back with TensorBoard's own reader."""

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import kerasnas
from kerasnas.platforms.tensorboard_log import ArchitectureLog
from kerasnas.spaces import NASBench201Space

RNG = np.random.default_rng(0)
X, Y = RNG.random((16, 8, 8, 1)).astype("float32"), np.arange(16) % 2


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])
    search = kerasnas.BilevelTrainer(space.build_supernet((8, 8, 1), 2))
    search.compile(run_eagerly=True)
    history = search.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[ArchitectureLog(folder)])
    events = EventAccumulator(str(folder / "architecture"), size_guidance={"histograms": 0, "tensors": 0, "images": 0})
    return search, history.history, events.Reload()


def test_entropy_and_skips_are_those_of_the_history(logged):
    _, history, events = logged
    for name in ("alpha_entropy", "skips"):
        found = [float(make_ndarray(one.tensor_proto)) for one in events.Tensors(name)]
        np.testing.assert_allclose(found, history[name], rtol=1e-6)
        assert [one.step for one in events.Tensors(name)] == [0, 1]


def test_histograms_are_those_of_the_alphas_at_the_end(logged):
    search, _, events = logged
    (alphas,) = search.architecture_parameters
    last = make_ndarray(events.Tensors(f"alphas/{alphas.path}")[-1].tensor_proto)
    values = keras.ops.convert_to_numpy(alphas)
    assert last[0, 0] == pytest.approx(values.min()) and last[-1, 1] == pytest.approx(values.max())
    assert last[:, 2].sum() == values.size
    assert len(events.Tensors("mixing_weights/cell")) == 2


def test_images_are_pngs_of_the_weights_and_of_each_cell(logged):
    _, _, events = logged
    assert set(events.Tags()["images"]) == {"mixing_weights", "cell/cell"}
    for name in ("mixing_weights", "cell/cell"):
        first, last = events.Images(name)
        assert first.encoded_image_string[:4] == b"\x89PNG" and (last.width, last.step) == (first.width, 1)


def test_a_model_that_is_no_search_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    with pytest.raises(TypeError, match=r"Expected the `fit` of a `kerasnas\.BilevelTrainer`"):
        model.fit(X, Y, verbose=0, callbacks=[ArchitectureLog(tmp_path)])
