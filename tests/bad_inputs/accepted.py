"""Values that may be right after all, though they differ from the right value of the table."""

import fnmatch

_NAMES = {
    "algorithm",
    "annealing",
    "batch_norm",
    "baseline_of",
    "column",
    "dataset",
    "form",
    "hypergradient",
    "identifier",
    "image_fit",
    "inner_optimizer",
    "inner_variables",
    "kind",
    "loss",
    "name",
    "name_or_folder",
    "name_or_path",
    "optimizer",
    "architecture_optimizer",
    "optimizer_state",
    "padding",
    "primitive",
    "proxy",
    "relaxation",
    "space",
    "split",
    "strategy",
    "evaluated_on",
    "distribution",
    "mode",
    "network",
    "table",
    "signal",
    "report",
    "cost",
    "cost_form",
    "objective",
}
"""Arguments that take one of several known names, so that a misspelled one is wrong."""

_FREE = """
    Registry*-* *Dataset-name Table-name NASBench*-name NATSBenchSize-name Genotype*-space Genotype.count-primitive
    SearchExperience* Change-name CostModel-* NetworkCost-* tabulate-* LatencyTable-* Part-name ChoiceTable* table_dec*
    add_alphas-name BilevelOptimizer-name register_primitive-name Format-* Export-format CostPoint-name plot_front-cost
    ClientInfo-name FederatedClient-name *HyperModel-name Stages.*-name NetworkTraining.run-name run_*-name
    Progress.*-name advise-space ComparisonConfig-* TrainingConfig-*
    SearchConfig-* TimingConfig-* *-objective RaceConfig-dataset GraphConfig-dataset PretrainingConfig-network
    RaceConfig-initializer
    Edge-primitive plot_race*-* compare-* Shortlist-proxy
"""
"""Arguments of these names that take any text after all."""

_FIXED = {
    "indices",
    "temperatures",
    "amplitude",
    "phase",
    "inputs",
    "held_out",
    "replay",
    "data",
    "support",
    "query",
    "matrix",
    "reference",
}
"""Arguments whose length is fixed."""

_RECORDS = {"assignment", "arrays", "parameters", "weights", "tables"}
"""Mappings whose entries are fixed."""

_WITH_ZERO = """
    Advice-score *-weight *-cost_limit *-baseline *-drop_path *-base CostPoint-* Change-* DriftReport-* Evaluation-*
    Export-* *-call_ms Prediction-* Readaptation-* RaceExperience-* *.tell-* duration-* *-statistic *-minutes
    *-cpu_minutes *-timeout *weight_decay *-auxiliary_skip *-label_smoothing *-initial *-minimum *-grace
    *-zero_one_weight *-jitter *-noise *-amount *-entropy_weight *-skip_weight *-penalty_weight *-baseline_decay
    *-random_share *-mutation_probability *-latency_target_ms *-cost_weight *-cost_target *-beta_2
    *-architecture_warmup *-architecture_learning_rate *-curvature_ratio *-minutes
    *-seed *-epoch *-initial_epoch *-max_skips *-pixels cutout-size *-query_shots *-index *-wins *-windows *-waiting
    *-errors *-reference_errors *-wrong *.train-number *-controller_steps *-max_halvings *-workers *-initial_round
    *-tuning_steps *-calibration *-multi_step_loss_steps *-first_order_steps *-architecture_warmup* *-max_parameters
    *-random_genotypes *-shortlist *-verbose PairedBatches.skip-steps *-accuracy dominates-* staircase-* *-samples
    *-monitor *-max_parameters *-wilson* *-size ParetoTrial-* Edge-source *-lookup* *-cost *-target *-limit *-reward
    TransferPredictor-trust *-rotations
"""
_ANY_NUMBER = """
    Advice-score *-cost_limit Change-* CostPoint-* *-base DriftReport-*statistic DriftReport-*threshold Evaluation-*
    Readaptation-before Readaptation-after *.tell-* duration-seconds *-statistic *.expected* ParetoTrial-* *-limit
    plot_front-target CostObjective-target SinusoidTasks-* Edge-*
"""
_PLACES: list[tuple[set[str], list[str]]] = [
    ({"zero", "element zero", "entry zero"}, _WITH_ZERO.split()),
    ({"negative", "negative integer", "huge", "zero", "bool", "infinity", "-infinity", "NaN"}, _ANY_NUMBER.split()),
    ({"a path that is not there"}, ["*-folder", "*-path", "*-output*", "*-cache_dir", "*-directory"]),
    (
        {"NaN inside", "infinity inside", "an axis more", "an axis less", "as complex", "no rows"},
        ["expected-*", "penalty-*", "unit_pixels-x", "Dataset-x_*", "LabelledImages-x", "*.reward-x"],
    ),
    ({"NaN inside", "infinity inside"}, ["*-batch"]),
    ({"no rows"}, ["DriftMonitor.observe_*", "non_dominated*", "*-errors", "*-batch"]),
    ({"as bytes", "bytes"}, ["Genotype.from_json-text", "RaceExperience.from_line-line"]),
    ({"an axis more"}, ["ImageClassifier.*-y", "ProxyScore-y"]),
    ({"array", "array of NaN"}, ["non_dominated*", "*-rewards", "*.tell-reward"]),
    ({"an id inside", "negative inside"}, ["split_classes-y", "stratified_split-y", "grouped_split-*", "*-held_out"]),
    ({"in a list"}, ["*-objective"]),
    ({"None"}, ["duration-seconds", "BinaryGates-seed"]),
    ({"no rows", "as pairs", "element zero"}, ["crowding_distance-*", "Genotype-cells", "*.neighbors-indices"]),
    ({"list of numbers"}, ["*-reference", "*.tell-reward"]),
    ({"an axis less", "no rows", "an axis more"}, ["input_statistics-x", "*-calibration"]),
    ({"as objects", "as texts"}, ["ImageClassifier.*-y"]),
    ({"empty mapping", "mapping"}, ["Stages.finish-record", "ascend-within"]),
    ({"bool"}, ["*-verbose"]),
    ({"huge"}, ["BilevelTrainer-max_skips"]),
    ({"list of None"}, ["*-objective"]),
    ({"empty tuple"}, ["ClientInfo-sample_shape", "expected-alphas"]),
    ({"list of texts", "text array"}, ["*-classes", "*-operations", "*-augment", "*-genotypes"]),
    ({"mapping", "empty mapping"}, ["*-options", "*-result", "*-record", "*-description"]),
    ({"as objects", "as texts"}, ["unit_pixels-x"]),
    (
        {"array", "list of numbers"},
        ["input_statistics-x", "Estimate.of-samples", "*-calibration", "paired_difference-*"],
    ),
    ({"with a number for a key"}, ["*.set_state-state"]),
    ({"element array", "element empty array", "element array of NaN", "element scalar array"}, ["Values-*"]),
]
"""Kinds of values, and the arguments that take them, as patterns of `call-argument`."""


def may_be_right(call: str, argument: str, kind: str, good: str, arrays: int) -> bool:
    """Return True if a value may be right.

    Args:
        call: name of the call.
        argument: the argument.
        kind: the kind of the value.
        good: the kind of the right value.
        arrays: how many arguments of the call are arrays.
    """
    place = f"{call}-{argument}"
    if call in ("is_alphas", "unit_pixels"):  # a question about anything; what is no image is returned as it is
        return True
    if good == "text" and kind in ("misspelled", "text", "NumPy text"):
        return argument not in _NAMES or _matches(place, _FREE.split())
    if kind in ("shorter", "longer", "as set"):
        return argument not in _FIXED
    if kind in ("with more", "without one"):
        return argument not in _RECORDS
    if kind in ("fewer rows", "more rows"):
        return arrays == 1
    return any(kind in kinds and _matches(place, places) for kinds, places in _PLACES)


def _matches(place: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(place, pattern) for pattern in patterns)
