"""Arguments that do not exist: the message names the right one."""

import pytest

from tuners import OneShotTuner, SupernetTuner
from tuners.tuners.network_tuner import check_arguments, load_initializer


@pytest.mark.parametrize(
    ("tuner", "argument", "hint"),
    [
        (OneShotTuner, "sead", " Did you mean 'seed'?"),
        (SupernetTuner, "project_nam", " Did you mean 'project_name'?"),
        (SupernetTuner, "project", " Did you mean 'project_name'?"),
        (SupernetTuner, "xyz", " Known: "),
    ],
)
def test_an_argument_that_there_is_not_names_the_nearest(tuner, argument, hint):
    with pytest.raises(TypeError) as caught:
        check_arguments(tuner, {argument: 1})
    assert str(caught.value).startswith(f"{tuner.__name__} has no argument `{argument}`.{hint}")
    assert "'executor'" in str(caught.value) and "'overwrite'" in str(caught.value)


def test_arguments_of_a_project_pass():
    check_arguments(SupernetTuner, {"directory": "runs", "project_name": "one", "overwrite": True})


def test_an_initializer_is_an_object_or_a_folder(tmp_path):
    assert load_initializer(None) is None
    with pytest.raises(TypeError, match=r"argument `initializer`. Expected a `kerasnas.meta.ReptileInitializer`"):
        load_initializer(3)
    with pytest.raises(FileNotFoundError, match=r"Expected a folder with initializer.json"):
        load_initializer(tmp_path)
