"""The settings of a run: their ranges, their JSON, and the space that they describe."""

import dataclasses
import json

import pytest

from kerasnas.methods import SearchConfig, TrainingConfig
from kerasnas.methods.assembly import make_space

CONFIGS = [TrainingConfig, SearchConfig]


@pytest.mark.parametrize("config", CONFIGS)
def test_json_round_trip(config):
    settings = config(primitives=("skip_connect", "max_pool_3x3"), augment=(), drop_path=0.25, seed=7)
    again = config.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings
    assert again.changed() == {
        "primitives": ("skip_connect", "max_pool_3x3"),
        "augment": (),
        "drop_path": 0.25,
        "seed": 7,
    }
    assert config().changed() == {}


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_explains_itself(config):
    for field in dataclasses.fields(config):
        text = field.metadata["help"]
        assert text[0] == text[0].upper() and text.endswith("."), field.name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        *(({name: 0}, f"`{name}`. Expected at least 1") for name in ("num_nodes", "retrain_filters", "retrain_cells")),
        *(({name: 0}, f"`{name}`. Expected at least 1") for name in ("filters", "num_cells", "epochs", "batch_size")),
        *(({name: 0.0}, f"`{name}`. Expected above 0") for name in ("learning_rate", "retrain_learning_rate")),
        ({"architecture_learning_rate": -1.0}, "`architecture_learning_rate`. Expected at least 0"),
        ({"distribution": "gpus"}, "`distribution`. Expected a known name. Received: 'gpus' Did you mean 'gpu'?"),
        ({"drop_path": 1.0}, "`drop_path`. Expected at least 0 and below 1"),
        ({"drop_path": float("nan")}, "`drop_path`"),
        ({"learning_rate": float("nan")}, "`learning_rate`"),
        ({"validation_split": 0.0}, "`validation_split`. Expected above 0 and below 1"),
        ({"seed": -1}, "`seed`. Expected at least 0"),
        ({"shortlist": -1}, "`shortlist`. Expected at least 0"),
        ({"shortlist_steps": ("4", "4")}, "`shortlist_steps`. Expected numbers above 0, rising"),
        ({"shortlist_steps": ("a",)}, "`shortlist_steps`. Expected numbers above 0, rising"),
        ({"shortlist_steps": ()}, "`shortlist_steps`. Expected numbers above 0, rising"),
        ({"random_genotypes": -1}, "`random_genotypes`. Expected at least 0"),
        ({"executor": "processes"}, "`executor`. Expected local, processes:N, ray or ray://HOST:PORT"),
        ({"filters": 2.5}, "`filters`. Expected int. Received: 2.5"),
        ({"filters": True}, "`filters`. Expected int"),
        ({"dataset": 3}, "`dataset`. Expected str"),
        ({"augment": ("blur",)}, "Unknown augmentation 'blur'"),
    ],
)
def test_settings_outside_their_range(settings, words):
    with pytest.raises(ValueError) as caught:
        SearchConfig(**settings)
    assert words in str(caught.value)


def test_whole_numbers_serve_as_floats():
    assert SearchConfig(learning_rate=1).learning_rate == 1.0
    assert type(SearchConfig(learning_rate=1).learning_rate) is float


def test_unknown_setting_names_the_nearest():
    with pytest.raises(ValueError, match=r"'epoch'\. Did you mean 'epochs'"):
        SearchConfig.from_dict({"epoch": 3})


def test_space_of_a_search_and_of_a_training():
    search = make_space(SearchConfig(filters=4, num_cells=5, num_nodes=2, retrain_filters=9))
    assert (search.filters, search.num_cells, search.num_nodes, search.stem_strides) == (4, 5, 2, 2)
    training = make_space(TrainingConfig(retrain_filters=9, retrain_cells=6, primitives=("skip_connect",)))
    assert (training.filters, training.num_cells, training.primitives) == (9, 6, ("skip_connect",))
    assert make_space(TrainingConfig()).primitives == make_space(SearchConfig()).primitives


def test_search_must_choose_the_cells_of_the_final_network():
    with pytest.raises(ValueError, match=r"retrain_cells=3 has normal cells.*num_cells=2"):
        make_space(SearchConfig(num_cells=2, retrain_cells=3))
    make_space(SearchConfig(num_cells=2, retrain_cells=2))
    make_space(SearchConfig(num_cells=3, retrain_cells=2))
    make_space(SearchConfig(num_cells=3, retrain_cells=20))


def test_edges_are_left_out_where_that_is_asked_for():
    assert make_space(SearchConfig(sparse=True)).tables["normal"].sparse
    assert not make_space(SearchConfig()).tables["normal"].sparse
    with pytest.raises(ValueError, match="Space 'nasbench201' has no setting `sparse`"):
        make_space(SearchConfig(space="nasbench201", sparse=True))
