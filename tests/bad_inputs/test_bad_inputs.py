"""Bad inputs: whatever comes, a public call answers with one clear line that names the argument.

Every call of `calls_of_algorithms.py` is tried with each of its arguments replaced by each of `BAD`, and a tuple or a
list with its last element replaced. It raises ValueError or TypeError with the argument's name, unless `ALLOWED` says
why the value is a good one. Nothing else gets out: no AttributeError, KeyError, IndexError or error of NumPy's own.
"""

import inspect
import math

import numpy as np
import pytest

from tests.bad_inputs import calls_of_algorithms  # noqa: F401
from tests.bad_inputs.table import CALLS as TABLE

CALLS = TABLE["algorithms"]

BAD = {
    "None": None,
    "NaN": math.nan,
    "infinity": math.inf,
    "-1": -1,
    "0": 0,
    "0.5": 0.5,
    "huge": 10**400,
    "True": True,
    "text": "x",
    "empty text": "",
    "bytes": b"x",
    "[]": [],
    "{}": {},
    "[None]": [None],
    "ragged": [[1], [1, 2]],
    "object": object(),
    "function": len,
    "NaN array": np.array([np.nan]),
    "text array": np.array(["x"]),
    "object array": np.array([None]),
}

# Why values of `BAD` are right after all -----------------------------------------------------------
TEXT = {"text", "empty text"}
NUMBERS = {"-1", "0", "0.5"}


def of(labels):
    return {f"element {label}" for label in labels}


ALLOWED: dict[str, tuple[set[str], list[str]]] = {
    "half of a degree, of the edges, or of the signal": (
        {"0.5"},
        ["stochastic_blocks-degree", "stochastic_blocks-homophily", "stochastic_blocks-signal"],
    ),
    "no homophily, no signal, no dropout, no smoothing": (
        {"0"},
        ["stochastic_blocks-homophily", "stochastic_blocks-signal", "GraphSpace-dropout", "smoothed-alpha"],
    ),
    "no edge": ({"[]"}, ["Graph-edges"]),
    "a class like the others, or none, as which NumPy reads True": (of({"-1", "0", "True"}), ["GraphDataset-y"]),
    "a name of a graph": (TEXT, ["GraphDataset-name"]),
    "classes of a graph": (of(TEXT), ["GraphDataset-classes"]),
    "a rate, a weight or a limit": (
        {"0.5"},
        [
            *("Reinforce-learning_rate", "Controller-temperature", "Controller-tanh_constant", "Controller-ppo_clip"),
            *("Controller-learning_rate", "PredictorSearch-cost_limit", "PredictorSearch.tell-cost"),
            *("LSTMPolicy-temperature", "LSTMPolicy-tanh_constant", "Adam-learning_rate"),
            *("AttentionPolicy-temperature", "AttentionPolicy-tanh_constant", "AttentionPolicy-skip_target"),
            *("Controller-skip_target", "TPESearch-good_share", "TPESearch-bandwidth_factor"),
            *("BOHB-good_share", "BOHB-bandwidth_factor", "NetworkEnsemble-learning_rate"),
            *("outer_step-step", "outer_step-architecture_step", "federate-participation", "federate-step"),
            "federate-architecture_step",
            *("MaximumTest-false_alarms", "DriftMonitor-false_alarms", "DriftMonitor-rise"),
            *("error_run_length-error", "ErrorSum-error", "ErrorSum-rise"),
            *("LogMel-deviation", "LogMel-window", "LogMel-stride", "Scaling-scale"),
        ],
    ),
    "any number is a mean": ({"-1", "0", "0.5"}, ["LogMel-mean"]),
    "any text is a word, also in an array": ({"text array", *of(TEXT)}, ["Vocabulary-words"]),
    "0 leaves the baseline, the entropy or the variation out": (
        {"0", "0.5"},
        [
            "Reinforce-baseline_decay",
            "Controller-baseline_decay",
            "Controller-entropy_weight",
            "Controller-skip_weight",
            "glyphs-jitter",
            "color_jitter-amount",
            "drop_words-share",
            *("NetworkEnsemble-weight_decay", "TPESearch-random_share", "BOHB-random_share"),
        ],
    ),
    "0 leaves the mutation, the noise, the steps, the shift, the skips or the query out; an index starts at 0": (
        {"0"},
        [
            *("NSGA2-mutation_probability", "waveforms-noise", "PairedBatches.skip-steps", "shift-pixels"),
            *("cutout-size", "SinusoidTasks-query_shots", "EpisodeSampler-query_shots", "ArrayBatches.set_epoch-epoch"),
            "NASBench201Space.reachable-max_skips",
            *("SinusoidTasks.episode-index", "SinusoidTasks.batch-index", "EpisodeSampler-rotations"),
        ],
    ),
    "a reward that is not finite is a failure": (
        {"NaN", "infinity", "-1", "0"},
        ["RandomSearch.tell-reward", "PredictorSearch.tell-reward", "Hyperband.tell-reward", "ASHA.tell-reward"],
    ),
    "a vector with an entry that is not finite is a failure": (
        of({"NaN", "infinity", *NUMBERS}),
        ["NSGA2.tell-reward", "EHVISearch.tell-reward"],
    ),
    "numbers like the others": (of(NUMBERS), ["SinusoidTasks-inputs"]),
    "numbers above the other end": (of({"0", "0.5"}), ["SinusoidTasks-phase"]),
    "numbers like the others, as which NumPy reads True": (
        of({*NUMBERS, "True"}),
        [
            *("dominates-one", "dominates-other", "staircase-costs", "staircase-values"),
            *("hypervolume-reference", "expected_hypervolume_improvement-reference", "EHVISearch-reference"),
        ],
    ),
    "weights above 0, as which NumPy reads True": (of({"0.5", "True"}), ["weighted_mean-shares"]),
    "an integer among integers, as which NumPy reads True": (
        of({"True"}),
        ["EpisodeSampler-classes", "split_classes-sizes"],
    ),
    "no label yet": ({"[]"}, ["ErrorSum.observe-errors", "DriftMonitor.observe_errors-errors"]),
    "no error": ({"0"}, ["fisher_p_value-errors", "fisher_p_value-reference_errors"]),
    "a single part": ({"0.5"}, ["split_classes-sizes"]),
    "a function": ({"function"}, ["ArrayBatches-augment", "compose-functions", "Processes-setup"]),
    "never again": ({"0"}, ["Processes-retries"]),
    "classes of any names": ({"text array"}, ["task_of_labels-y"]),
    "no loss is that of classes, any function one of its own": ({"None", "function"}, ["task_of_loss-loss"]),
    "no columns are all of them": ({"[]"}, ["load-target"]),
    "no smoothing, or half of it": ({"0", "0.5"}, ["SmoothedCrossentropy-label_smoothing"]),
    "offsets of any number, scales above 0": (
        of({"-1", "0", "0.5"}),
        ["Regression-offset"],
    ),
    "a scale below 1": (of({"0.5"}), ["Regression-scale"]),
    "no walls, or half of the cells": ({"0", "0.5"}, ["mazes-density"]),
    "a name may be any text": (
        TEXT,
        [
            "check_images-what",
            "Dataset-name",
            "Table-name",
            "NATSBenchSize-name",
            "NASBench201-name",
            "Genotype.count-primitive",
        ],
    ),
    "a name in the singular": (TEXT, ["Registry-kind"]),
    "a name like the others": (of(TEXT), ["DriftMonitor-classes"]),
    "a name that is not empty": (
        {"text"},
        ["load-cache_dir", "Genotype-space", "Genotype.from_paper_string-space", "Registry.register-name"],
    ),
    "names like the others, also in an array": (
        {"text array", *of(TEXT)},
        ["Dataset-classes", "LabelledImages-classes", "NASBenchGraphSpace-operations"],
    ),
    "an alphabet": (of(TEXT), ["LabelledImages-alphabets"]),
    "any size": (of({"None"}), ["check_images-input_shape"]),
    "arrays are read when the episode is used, by `check_episode` or a learner": (
        {"ragged", *of({"[]", "[None]", "ragged", "NaN array", "text array", "object array"})},
        ["Episode-support", "Episode-query"],
    ),
}


def _is_default(function, argument, value):
    try:
        default = inspect.signature(function).parameters[argument].default
    except (KeyError, ValueError):
        return False
    return default is value


def _variants(good):
    """Every bad value, and `good` with each bad value as one of its elements."""
    for label, bad in BAD.items():
        if type(bad) is type(good) and not isinstance(bad, np.ndarray) and bad == good:
            continue
        yield label, bad
    if type(good) in (tuple, list):
        for label, bad in BAD.items():
            yield f"element {label}", type(good)([*good[:-1], bad])


CASES = [pytest.param(one, argument, id=f"{one.name}-{argument}") for one in CALLS for argument in one.arguments]


@pytest.mark.parametrize("one", CALLS, ids=lambda one: one.name)
def test_the_right_arguments_pass(one):
    one.function(**one.arguments)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("one", "argument"), CASES)
def test_bad_values_are_refused_by_name(one, argument):
    place = f"{one.name}-{argument}"
    allowed = set().union(*(labels for labels, places in ALLOWED.values() if place in places))
    accepted, problems = set(), []
    for label, bad in _variants(one.arguments[argument]):
        if _is_default(one.function, argument, bad):
            continue
        try:
            one.function(**{**one.arguments, argument: bad})
        except (ValueError, TypeError) as error:
            if f"`{argument}`" not in str(error):
                problems.append(f"{label}: {type(error).__name__} without the argument's name: {error}")
        except Exception as error:  # noqa: BLE001 (whatever it is, it should not get out)
            problems.append(f"{label}: {type(error).__name__}: {error}")
        else:
            accepted.add(label)
    problems += [f"{label}: accepted" for label in sorted(accepted - allowed)]
    problems += [f"{label}: refused, though it is allowed" for label in sorted(allowed - accepted)]
    assert not problems, "\n".join(problems)


def test_every_exception_is_that_of_an_argument_above():
    known = {f"{one.name}-{argument}" for one in CALLS for argument in one.arguments}
    assert not {place for _, places in ALLOWED.values() for place in places} - known


def test_every_call_has_a_name_of_its_own():
    names = [one.name for one in CALLS]
    assert len(set(names)) == len(names)
