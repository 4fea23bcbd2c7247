"""The search on texts in three lines."""

import numpy as np
import pytest

from kerasnas import AutoClassifier, AutoRegressor, ImageClassifier, SignalClassifier, TextClassifier
from kerasnas.companions import linear
from kerasnas.cost.counting import macs
from kerasnas.methods.rebuilding import read_network
from kerasnas.racing import winner
from tests.kit import count_steps

WORDS = {"yes": ["good", "fine", "warm"], "no": ["bad", "dull", "cold"]}


def sentences(number, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(WORDS), number)
    return [f"the {rng.choice(['film', 'book'])} was {rng.choice(WORDS[one])}" for one in labels], labels


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """A classifier, what its race logged, and what the linear models and the network next to them learned from."""
    said, seen = [], {"fits": 0}
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch)
        learn, train = linear.NGramCompanion.learn, winner._train

        def learning(self, x, y, parts, *options):
            seen.update(linear=(x, y), held_out=x[parts[1]], fits=seen["fits"] + 1)
            return learn(self, x, y, parts, *options)

        def training(race, name, contestant, stage, data):
            seen.setdefault("network", data[0])  # of the training that is weighed
            train(race, name, contestant, stage, data)

        patch.setattr(linear.NGramCompanion, "learn", learning)
        patch.setattr(winner, "_train", training)
        folder = tmp_path_factory.mktemp("estimator") / "home"
        fitted = TextClassifier(3, folder, log=said.append, candidates=2).fit(*sentences(80))
    return fitted, said, seen


@pytest.fixture(scope="module")
def fitted(raced):
    return raced[0]


def test_it_learns_names_of_classes_from_strings(fitted):
    texts, labels = sentences(40, seed=1)
    assert fitted.score(texts, labels) > 0.9
    assert fitted.predict(texts[:3]).tolist() == labels[:3].tolist()
    assert fitted.predict("a good book").tolist() == ["yes"]
    assert fitted.genotype.space == "text"
    np.testing.assert_allclose(fitted.predict_proba(np.array(texts)).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_it_is_loaded_and_knows_its_kind(fitted):
    again = TextClassifier.load(fitted.folder)
    assert again.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(again.predict_proba(["a dull film"]), fitted.predict_proba(["a dull film"]))
    np.testing.assert_array_equal(
        AutoClassifier.load(fitted.folder).predict("a dull film"), fitted.predict("a dull film")
    )
    for kind in (ImageClassifier, AutoRegressor):  # other samples, other answers
        with pytest.raises(ValueError, match=f"holds no run of {kind.__name__}"):
            kind.load(fitted.folder)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((2, 8, 8, 1)), r"texts, a sequence of strings\. Received: 'shape \(2, 8, 8, 1\) of float"),
        (["fine", 3], r"texts, a sequence of strings\. Received: 'shape \(2,\) of int"),
        ([], "texts, at least one"),
        ([b"\xff", b"fine"], "texts in UTF-8"),
        ("nobody.csv", "`y`. Expected None, as `x` is the path"),
    ],
)
def test_what_is_no_texts_is_refused(x, reason):
    with pytest.raises(ValueError, match=reason):
        TextClassifier().fit(x, ["yes", "no"])


def test_it_is_a_race_within_the_budget_with_linear_models_next_to_its_winner(raced):
    fitted, said, _ = raced
    searched, race = fitted.result["searched"], fitted.result["race"]
    assert searched["linear"]["longest"] == 2 and searched["linear"]["samples"] == race["validation_samples"]
    assert race["augment"] == ["drop_words"] and race["baseline"] is None
    assert {"cnn", "bag"} <= set(race["contestants"])
    assert sum("linear model on runs of up to 2 tokens 0." in line for line in said) == 1  # the held-out loss
    assert "up to 2 candidates on texts of 4 tokens" in "\n".join(said)
    used = searched["linear"]["network"]["used"]
    words = "2 tokens next to it" if used else "2 tokens. Handed over alone"
    assert any(f"{words}, it reaches" in line for line in said)
    assert searched["macs"] == macs(fitted.model) and (searched["macs"] > 0) == used  # of what is handed over


def test_no_network_has_seen_the_texts_that_say_how_much_it_counts(raced):
    _, _, seen = raced
    assert seen["fits"] == 1  # before the time of the network is planned
    assert len(seen["network"]) + len(seen["held_out"]) == len(seen["linear"][0]) == 72
    # The same sentence may be drawn twice: the network has the first part, as it is.
    np.testing.assert_array_equal(seen["network"], seen["linear"][0][: len(seen["network"])])
    np.testing.assert_array_equal(seen["held_out"], seen["linear"][0][len(seen["network"]) :])


def test_its_network_can_be_trained_again(fitted):
    found = read_network(fitted.run)  # the settings of the race name no space
    assert found.config.space == "text" and found.genotype == fitted.genotype


def test_its_space_is_one_of_texts():
    assert TextClassifier(minutes=3, text_length=7).settings.reading["limits"].length == 7
    with pytest.raises(ValueError, match="Space 'darts' takes images"):
        TextClassifier(space="darts").fit(*sentences(80))


@pytest.mark.slow
def test_series_race_too(tmp_path, monkeypatch):
    count_steps(monkeypatch)
    rng = np.random.default_rng(0)
    labels = np.array(["rise", "fall"])[np.arange(60) % 2]
    series = rng.normal(0, 0.3, (60, 24)) + np.linspace(-1, 1, 24) * np.where(labels == "rise", 1, -1)[:, None]
    ears = SignalClassifier(minutes=2, folder=tmp_path, log=lambda line: None, candidates=1).fit(series, labels)
    assert ears.score(series, labels) > 0.9 and ears.genotype.space == "signals"
    assert ears.result["searched"]["linear"]["kernels"] == 9996 and ears.result["race"]["augment"] == ["shift"]
