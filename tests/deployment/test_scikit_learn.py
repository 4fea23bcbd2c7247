"""Estimators as scikit-learn's tools take them: cloned, validated, searched over, in pipelines, and pickled."""

import copy
import io
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

import kerasnas
from kerasnas import ImageClassifier, TableClassifier, TableRegressor, TextClassifier
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


@pytest.mark.usefixtures("eagerly")
def test_cross_validation_scores_by_any_metric(unwritten):
    scores = cross_validate(ImageClassifier(verbose=0), X, Y, cv=3, scoring=["accuracy", "neg_log_loss", "f1_macro"])
    assert scores["test_accuracy"].min() > 0.9 and scores["test_f1_macro"].min() > 0.9
    assert scores["test_neg_log_loss"].min() > -0.4
    assert {log for _, log in unwritten} == {silent} and len(unwritten) == 3
    assert cross_val_score(ImageClassifier(), list(X), list(Y), cv=2).min() > 0.9


@pytest.mark.usefixtures("eagerly")
def test_it_ends_a_pipeline(unwritten):
    rows = np.random.default_rng(0).normal(size=(90, 2)) + 20 * np.searchsorted(sorted(CLASSES), Y)[:, None]
    pipeline = make_pipeline(StandardScaler(), TableClassifier()).fit(rows, Y)
    assert pipeline.score(rows, Y) > 0.9 and pipeline.predict_proba(rows).shape == (90, 3)
    assert pipeline[-1].n_features_in_ == 2
    photos = make_pipeline(FunctionTransformer(np.transpose), FunctionTransformer(np.transpose), ImageClassifier())
    check_is_fitted(photos.fit(X, Y))
    assert photos.classes_.tolist() == sorted(CLASSES) and not hasattr(photos[-1], "n_features_in_")


@pytest.mark.usefixtures("eagerly")
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


CANNOT_HOLD = {
    "check_do_not_raise_errors_in_init_or_set_params": "a wrong argument is an error where it is written, not in `fit`",
    "check_sample_weight_equivalence_on_dense_data": "a share of the samples is held out, whatever they weigh",
    "check_methods_sample_order_invariance": "sums of float32 differ in the last bit with the place in a batch",
    "check_methods_subset_invariance": "sums of float32 differ in the last bit with the size of a batch",
}


QUICK = (
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_n_features_in_after_fitting,
    estimator_checks.check_estimators_empty_data_messages,
    estimator_checks.check_estimator_sparse_array,
    estimator_checks.check_complex_data,
    estimator_checks.check_dtype_object,
    estimator_checks.check_fit2d_predict1d,
    estimator_checks.check_requires_y_none,
    estimator_checks.check_dont_overwrite_parameters,
)


@pytest.mark.parametrize("check", QUICK, ids=lambda check: check.__name__)
def test_a_part_of_the_contract_of_scikit_learn(check, solved):
    check("TableClassifier", TableClassifier(verbose=0))


@pytest.mark.slow
@estimator_checks.parametrize_with_checks(
    [TableClassifier(verbose=0), TableRegressor(verbose=0)], expected_failed_checks=lambda made: CANNOT_HOLD
)
def test_the_contract_of_scikit_learn(estimator, check, solved):
    check(estimator)


@pytest.mark.usefixtures("eagerly")
def test_predictions_are_of_the_columns_that_were_learned(solved):
    rows = pd.DataFrame({"length": np.arange(60.0), "width": np.arange(60.0)[::-1] ** 2})
    fitted = TableRegressor(verbose=0).fit(rows, 3 * rows["length"])
    assert fitted.feature_names_in_.tolist() == ["length", "width"] and fitted.predict(rows).dtype == float
    assert not hasattr(TableRegressor(verbose=0).fit(rows.to_numpy(), rows["length"]), "feature_names_in_")
    with pytest.raises(ValueError, match=r"^Invalid value received for argument `x`"):  # not about a file in /tmp
        TableRegressor(verbose=0).fit(np.zeros(60), rows["length"])
    with pytest.raises(ValueError, match="A regressor estimates continuous numbers"):
        TableClassifier(verbose=0).fit(rows, rows["length"] / 7)
    numbers = np.array([3, 4] * 30, dtype=object)
    assert TableClassifier(verbose=0).fit(rows, numbers).classes_.tolist() == [3, 4]


def test_a_notebook_shows_arguments():
    assert (
        TextClassifier(text_column="<b>")._repr_html_()
        == "<code>TextClassifier(text_column=&#x27;&lt;b&gt;&#x27;)</code>"
    )


@pytest.mark.slow
def test_a_grid_is_searched(unwritten):
    grid = GridSearchCV(ImageClassifier(test_split=0.2), {"max_parameters": [0, 9]}, cv=2).fit(X, Y)
    assert [settings.max_parameters for settings, _ in unwritten] == [0, 0, 9, 9, grid.best_params_["max_parameters"]]
    assert set(grid.predict(X[:9])) <= set(CLASSES) and grid.classes_.tolist() == sorted(CLASSES)
    assert grid.best_estimator_.test_split == 0.2
