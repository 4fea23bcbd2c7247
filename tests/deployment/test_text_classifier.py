"""The search on texts in three lines."""

import numpy as np
import pytest

from kerasnas import ImageClassifier, TextClassifier

WORDS = {"yes": ["good", "fine", "warm"], "no": ["bad", "dull", "cold"]}
SETTINGS = {
    "primitives": ("skip_connect",),
    "num_nodes": 1,
    "filters": 4,
    "epochs": 1,
    "architecture_warmup_epochs": 0,
    "random_genotypes": 0,
    "retrain_filters": 8,
    "retrain_epochs": 10,
    "retrain_batch_size": 8,
}


def sentences(number, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(WORDS), number)
    return [f"the {rng.choice(['film', 'book'])} was {rng.choice(WORDS[one])}" for one in labels], labels


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estimator") / "home"
    return TextClassifier(folder, log=lambda line: None, **SETTINGS).fit(*sentences(80))


def test_it_learns_names_of_classes_from_strings(fitted):
    texts, labels = sentences(40, seed=1)
    assert fitted.score(texts, labels) > 0.9
    assert fitted.predict(texts[:3]).tolist() == labels[:3].tolist()
    assert fitted.predict("a good book").tolist() == ["yes"]
    assert fitted.genotype.space == "text"
    np.testing.assert_allclose(fitted.predict_proba(np.array(texts)).sum(axis=1), 1, rtol=1e-5)


def test_it_is_loaded_and_knows_its_kind(fitted):
    again = TextClassifier.load(fitted.folder)
    assert again.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(again.predict_proba(["a dull film"]), fitted.predict_proba(["a dull film"]))
    with pytest.raises(ValueError, match="holds no run of ImageClassifier"):
        ImageClassifier.load(fitted.folder)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((2, 8, 8, 1)), r"texts, a sequence of strings\. Received: 'shape \(2, 8, 8, 1\) of float"),
        (["fine", 3], r"texts, a sequence of strings\. Received: 'shape \(2,\) of int"),
        ([], "texts, at least one"),
        ([b"\xff", b"fine"], "texts in UTF-8"),
        ("nobody.csv", "None, as `x` is the path"),
    ],
)
def test_what_is_no_texts_is_refused(x, reason):
    with pytest.raises(ValueError, match=reason):
        TextClassifier().fit(x, ["yes", "no"])


def test_settings_are_those_of_the_space():
    assert TextClassifier().settings.retrain_cells == 1
    with pytest.raises(ValueError, match="a space of texts"):
        TextClassifier(space="darts")
    with pytest.raises(TypeError, match="minutes"):
        TextClassifier(minutes=3)
