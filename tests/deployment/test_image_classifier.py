"""The search as an estimator."""

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from kerasnas import ImageClassifier
from tests.kit import CLASSES as NAMES
from tests.kit import count_steps
from tests.kit import stripes as images


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch, known=["cnn"])
        folder = tmp_path_factory.mktemp("estimator") / "own"
        settings = {"minutes": 2.0, "candidates": 1, "max_parameters": 20_000, "initializer": "none"}
        return ImageClassifier(**settings, folder=folder, log=lambda line: None).fit(*images(240, 0))


def test_fit_and_predict_speak_of_the_users_classes(fitted):
    x, y = images(60, 1)
    assert list(fitted.classes_) == sorted(NAMES)
    found = fitted.predict(x)
    assert set(found) <= set(NAMES) and (found == y).mean() > 0.7
    probabilities = fitted.predict_proba(x[..., None])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert fitted.score(x, y) == pytest.approx((found == y).mean())
    own = probabilities[np.arange(60), np.searchsorted(fitted.classes_, y)]
    assert fitted.evaluate(x, y)["loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert fitted.result["dataset"]["test_examples"] == 24 and fitted.result["dataset"]["train_examples"] == 216


def test_model_and_report_are_at_hand(fitted, tmp_path):
    x, _ = images(9, 1)
    np.testing.assert_allclose(fitted.model.predict(x[..., None], verbose=0), fitted.predict_proba(x), atol=1e-6)
    assert fitted.genotype.space == "macro" and fitted.report().read_text().startswith("<!DOCTYPE html>")
    paths = []
    for index, pixels in enumerate(x):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
    assert list(fitted.predict(paths)) == list(fitted.predict(x)) == list(fitted.predict(tmp_path))


def test_candidates_and_verdict_are_shown(fitted):
    best, *others = fitted.leaderboard()
    contestants = fitted.result["race"]["contestants"]
    assert [row["name"] for row in (best, *others)] == [
        fitted.result["race"]["winner"],
        *(row["name"] for row in others),
    ]
    assert len(others) == len(contestants) - 1 and best["parameters"] == contestants[best["name"]]["parameters"]
    assert best["score"] == contestants[best["name"]]["rungs"][-1]["accuracy"] and best["outcome"]
    shown = DisplayFormatter().format(fitted)[0]["text/html"]  # as a notebook asks
    assert "candidates=1" in shown and f'<th scope="row">{best["name"]}</th>' in shown and "test accuracy" in shown


@pytest.mark.usefixtures("eagerly")
def test_saved_and_loaded_it_is_the_same(fitted, tmp_path):
    x, _ = images(30, 1)
    fitted.save(tmp_path / "copy")
    for again in (ImageClassifier.load(tmp_path / "copy"), ImageClassifier.load(fitted.folder)):
        assert list(again.predict(x)) == list(fitted.predict(x)) and again.settings.minutes == 2
        assert again.get_params()["max_parameters"] == 20_000
    with pytest.raises(FileExistsError):
        fitted.save(tmp_path / "copy")


def test_fit_again_is_the_same_run_and_other_data_are_refused(fitted):
    before = fitted.result
    assert fitted.fit(*images(240, 0)).result["searched"] == before["searched"]
    with pytest.raises(ValueError, match="holds a run on other data"):
        fitted.fit(*images(240, 5))


def test_bad_input(fitted):
    x, y = images(30, 0)
    new = ImageClassifier()
    for call, words in (
        (lambda: new.predict(x), "Call `fit` first"),
        (lambda: new.fit(x, y[:9]), "`y`.*one label, or a row of them, for each of the 30 images"),
        (lambda: new.fit(x), "`x` has no labels"),
        (lambda: new.fit(x, y, test_data=(x[:1], ["side"])), "a class that the training data lacks: 'side'"),
        (lambda: fitted.predict(x[:, :9]), r"`x`.*images of shape \(12, 12, 1\)"),
        (lambda: fitted.evaluate(x[:1], ["uper"]), r"Unknown class 'uper' in `y`\. Did you mean 'upper'"),
        (lambda: ImageClassifier(test_split=1.0), "`test_split`"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
