"""Estimators as scikit-learn's tools take them: cloned, validated, searched over, in pipelines, and pickled."""

import copy
import io
import shutil

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

import kerasnas
from kerasnas import ImageClassifier, TableClassifier, TextClassifier
from kerasnas.other_tools import silent
from tests.kit import CLASSES, stripes

KINDS = [getattr(kerasnas, name) for name in kerasnas.__all__ if name.endswith(("Classifier", "Regressor"))]
X, Y = stripes(90, 0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_estimator_is_cloned_tagged_and_not_fitted(kind):
    made = kind(minutes=3, seed=2)
    params = clone(made).get_params()
    assert params == made.get_params() and params["seed"] == 2 and {"folder", "log", "trackers"} <= set(params)
    assert clone(made).set_params(seed=4, time_limit=60).settings == made.set_params(seed=4, minutes=1.0).settings
    made.set_params(minutes=3, seed=2)
    assert repr(clone(made)) == f"{kind.__name__}(minutes=3, seed=2)"
    assert is_classifier(made) != is_regressor(made) and is_classifier(made) == kind.__name__.endswith("Classifier")
    assert get_tags(made).input_tags.string and getattr(get_tags(made), f"{made.makes}_tags") is not None
    with pytest.raises(NotFittedError):
        check_is_fitted(made)
    assert not any(hasattr(made, name) for name in ("classes_", "n_features_in_", "model"))
    assert copy.deepcopy(made).get_params() == made.get_params()


def test_cross_validation_scores_by_any_metric(solved):
    scores = cross_validate(ImageClassifier(verbose=0), X, Y, cv=3, scoring=["accuracy", "neg_log_loss", "f1_macro"])
    assert scores["test_accuracy"].min() > 0.9 and scores["test_f1_macro"].min() > 0.9
    assert scores["test_neg_log_loss"].min() > -0.4
    assert {log for _, log in solved} == {silent} and len(solved) == 3
    assert cross_val_score(ImageClassifier(), list(X), list(Y), cv=2).min() > 0.9


def test_a_grid_is_searched(solved):
    grid = GridSearchCV(ImageClassifier(test_split=0.2), {"max_parameters": [0, 9]}, cv=2).fit(X, Y)
    assert [settings.max_parameters for settings, _ in solved] == [0, 0, 9, 9, grid.best_params_["max_parameters"]]
    assert set(grid.predict(X[:9])) <= set(CLASSES) and grid.classes_.tolist() == sorted(CLASSES)
    assert grid.best_estimator_.test_split == 0.2


def test_it_ends_a_pipeline(solved):
    rows = np.random.default_rng(0).normal(size=(90, 2)) + 20 * np.searchsorted(sorted(CLASSES), Y)[:, None]
    pipeline = make_pipeline(StandardScaler(), TableClassifier()).fit(rows, Y)
    assert pipeline.score(rows, Y) > 0.9 and pipeline.predict_proba(rows).shape == (90, 3)
    assert pipeline[-1].n_features_in_ == 2
    photos = make_pipeline(FunctionTransformer(np.transpose), FunctionTransformer(np.transpose), ImageClassifier())
    check_is_fitted(photos.fit(X, Y))
    assert photos.classes_.tolist() == sorted(CLASSES) and not hasattr(photos[-1], "n_features_in_")


def test_pickled_it_needs_no_folder(solved, tmp_path):
    numbers = 10 * np.searchsorted(sorted(CLASSES), Y)  # which `predict` returns, as numbers
    fitted = ImageClassifier(minutes=2, folder=tmp_path / "home").fit(X, numbers)
    (tmp_path / "home" / "others.txt").write_text("not of the run")
    expected, pickled = fitted.predict_proba(X), io.BytesIO()
    joblib.dump(fitted, pickled)
    unfitted = copy.deepcopy(clone(fitted))
    shutil.rmtree(tmp_path / "home")
    pickled.seek(0)
    loaded = joblib.load(pickled)
    for again in (loaded, copy.deepcopy(loaded)):
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        assert again.classes_.tolist() == [0, 10, 20] and repr(again) == repr(fitted)
    assert b"not of the run" not in pickled.getvalue() and not (tmp_path / "home").exists()
    again.fit(X, Y)  # in its folder
    assert again.run == unfitted.run == tmp_path / "home" / "run" and again.run.exists()


def test_a_notebook_shows_arguments():
    assert (
        TextClassifier(text_column="<b>")._repr_html_()
        == "<code>TextClassifier(text_column=&#x27;&lt;b&gt;&#x27;)</code>"
    )
