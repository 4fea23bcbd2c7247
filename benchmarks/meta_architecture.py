"""Benefit of a meta-learned architecture: Omniglot, 5 ways, 5 shots, 5 adaptation steps; all controls, as Markdown.

    python benchmarks/meta_architecture.py DATA --seeds=3 --steps=160 --random_cells=4 --output=rows.json
    python benchmarks/meta_architecture.py DATA --split=validation --seeds=1 --annealing=task

DATA is a folder with Omniglot as one `.npz` (see `kerasnas.datasets.omniglot`), or "official" to download the archives.
Images are averaged down to 14 x 14 pixels. Learning uses 24 background alphabets, in four rotations; all choices were
made with `--split=validation`, on tasks of the other 6; `--split=test` takes tasks of the evaluation alphabets. The
supernet has 3 stages of one cell of 6 edges with 6 primitives. Within a seed all arms learn from the same tasks, in the
same number of steps, and are evaluated on the same tasks, each query sample by itself.

- joint: MetaNAS, weights and alphas. Soft is the mixture after adaptation; hardened is the derived cell with the
  mixture's weights and moving statistics recomputed on the support set. No weight is trained after hardening.
- joint mixture: the same, but the temperature ends high: a learned mixture, which is never hardened.
- scratch: the untrained supernet, adapted by a search.
- weights-only: MetaNAS whose alphas are frozen in training (as the joint learner's are in its first half); the task
  either searches, soft and hardened, or stays at the uniform mixture.
- derived, random cells, all nor_conv_3x3: discrete networks, meta-learned by Reptile from scratch.
"""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skeleton
import tracked

# Without "none", which is never derived: where a mixture leans on it, hardening would make another network.
PRIMITIVES = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "max_pool_3x3", "sep_conv_3x3")
ROTATIONS = (0, 90, 180, 270)
SIZE, WAYS, SHOTS, QUERIES, ADAPTATION_STEPS = 14, 5, 5, 15, 5
VALIDATION_ALPHABETS = 6
NOT_CHOSEN = -1e9  # an alpha whose softmax is 0 at any temperature
COMPARISONS = (
    ("joint, soft", "scratch, soft"),
    ("joint, hardened", "scratch, hardened"),
    ("joint, soft", "weights-only, soft"),
    ("joint, hardened", "weights-only, hardened"),
    ("joint, soft", "weights-only, no search"),
    ("joint mixture", "weights-only, no search"),
    ("joint, hardened", "weights-only, no search"),
    ("joint, hardened", "derived"),
    ("derived", "random cells"),
    ("derived", "all nor_conv_3x3"),
    ("joint, hardened", "all nor_conv_3x3"),
    ("weights-only, no search", "all nor_conv_3x3"),
)


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        "data",
        split=skeleton.one_of("test", "validation"),
        seeds=3,
        steps=(160, "meta-steps of every learner"),
        tasks=(5, "of a meta-step"),
        episodes=(100, "tasks to measure on, others in each seed"),
        random_cells=(4, "others in each seed"),
        inner_learning_rate=2e-3,
        scratch_learning_rate=1e-2,
        temperature=(0.003, "of the joint learner, where it ends"),
        mixture_temperature=(0.5, "of the joint mixture"),
        annealing=skeleton.one_of("training", "task"),
        alternating=(False, "alphas and weights in turn: MetaNAS, not T-NAS"),
        filters=8,
        threads=2,
        output=(Path, "file for a JSON row of each arm and seed"),
    )
    skeleton.prepare(1, arguments.threads)
    pools = read_pools(arguments.data, arguments.split)
    found: dict[str, list[np.ndarray]] = {}
    learners: dict[str, Any] = {}
    # Random cells, which take longest, after everything else.
    for part, seed in itertools.product((arms, random_cells), range(arguments.seeds)):
        for name, accuracies, facts in part(Seed(arguments, pools, seed, learners)):
            found.setdefault(name, []).append(accuracies)
            row = {"arm": name, "seed": seed, "accuracy": round(float(accuracies.mean()), 4), **facts}
            print(json.dumps(row), flush=True)
            if arguments.output:
                with arguments.output.open("a") as file:
                    file.write(json.dumps({**row, "accuracies": np.round(accuracies, 4).tolist()}) + "\n")
        print()
        accuracies_shown, differences = report(found)
    code, intervals = ["kerasnas/meta"], "Points of accuracy, ± 95 % interval over the tasks"
    tracked.record(arguments, accuracies_shown, code=code, intervals=intervals)
    question = "By how much do a meta-learned architecture and the others differ, on the same tasks?"
    tracked.record(arguments, differences, code=code, intervals=intervals, part="paired", question=question)


def read_pools(data: Path, split: str) -> Any:
    """Return (images, labels) to learn on, and to measure on."""
    from kerasnas.datasets.omniglot import omniglot

    path = None if str(data) == "official" else data / "omniglot" if (data / "omniglot").is_dir() else data
    background = omniglot("background", size=SIZE, path=path)
    alphabets = sorted(set(background.alphabets))
    held_out = np.random.default_rng(0).permutation(alphabets)[:VALIDATION_ALPHABETS]
    validation = np.isin(background.y, background.of_alphabets(tuple(held_out.tolist())))
    parts = [(background.x[rows], background.y[rows]) for rows in (~validation, validation)]
    if split == "validation":
        return parts
    evaluation = omniglot("evaluation", size=SIZE, path=path)
    return parts[0], (evaluation.x, evaluation.y)


class Seed:
    """Learners, training tasks and evaluation tasks of one seed.

    The learners of supernets are those of the previous seed with a new initialization: tracing their graphs takes as
    long as many meta-steps.
    """

    def __init__(self, arguments: Any, pools: Any, seed: int, learners: dict[str, Any]):
        from kerasnas.datasets import EpisodeSampler
        from kerasnas.spaces import NASBench201Space

        self.arguments, self.seed, self.learners = arguments, seed, learners
        self.temperatures = 1.0, arguments.temperature
        self.training = EpisodeSampler(*pools[0], WAYS, 2 * SHOTS, 0, rotations=ROTATIONS, seed=seed)
        self.tasks = EpisodeSampler(*pools[1], WAYS, SHOTS, QUERIES, seed=1000 + seed)
        self.space = NASBench201Space(arguments.filters, num_cells=1, num_nodes=3, primitives=PRIMITIVES)
        self.options = {
            "inner_learning_rate": arguments.inner_learning_rate,
            "inner_batch_size": 20,
            "adaptation_steps": ADAPTATION_STEPS,
            "adaptation_batch_size": WAYS * SHOTS,
        }

    def metanas(self, arm: str, **options: Any) -> Any:
        """The learner of an arm, untrained."""
        from kerasnas.meta import MetaNAS

        supernet = self.space.build_supernet((SIZE, SIZE, 1), WAYS, seed=self.seed)
        learner = MetaNAS(supernet, joint=not self.arguments.alternating, **{**self.options, **options})
        learner.compile()
        known = self.learners.setdefault(arm, learner)
        for variable, value in zip(variables_of(known), variables_of(learner), strict=True):
            variable.assign(value)
        return known

    def discrete(self, genotype: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Accuracies after Reptile on a new network of this genotype, and facts."""
        from kerasnas.meta import Reptile

        learner = Reptile(self.space.build_network(genotype, (SIZE, SIZE, 1), WAYS, seed=self.seed), **self.options)
        learner.compile()
        seconds = self.train(learner)
        return self.measure(learner)["soft"], {"cell": self.space.to_string(genotype), "seconds": seconds}

    def train(self, learner: Any, initial_epoch: int = 0, callbacks: Any = ()) -> float:
        """Meta-train, in two epochs; returns seconds of processor time."""
        start, steps = time.process_time(), self.arguments.steps
        learner.fit(
            self.training,
            steps,
            self.arguments.tasks,
            steps_per_epoch=steps // 2,
            verbose=0,
            callbacks=[callback.of(learner) for callback in callbacks],
            initial_epoch=initial_epoch,
        )
        return round(time.process_time() - start, 1)

    def measure(self, learner: Any) -> dict[str, np.ndarray]:
        """See `measured`."""
        if not hasattr(learner, "measure"):
            learner.measure = measured(learner)
        return learner.measure(self.tasks, self.arguments.episodes)


def arms(own: Seed) -> Any:
    """Name, accuracies of all tasks, and facts, of each arm in turn."""
    joint, halfway = own.metanas("joint", annealing=own.arguments.annealing, temperatures=own.temperatures), Halfway()
    seconds = own.train(joint, callbacks=[halfway])
    derived = joint.model.derive()
    results = own.measure(joint)
    same = np.mean([(choices == results["choices"][0]).all() for choices in results["choices"]])
    facts = {"cell": own.space.to_string(derived), "seconds": seconds, "tasks_with_the_first_ones_cell": float(same)}
    yield from ((f"joint, {kind}", results[kind], facts) for kind in ("soft", "hardened"))

    # Until there all three are one: it is not trained again.
    mixture = own.metanas("mixture", annealing="training", temperatures=(1.0, own.arguments.mixture_temperature))
    halfway.give(mixture)
    own.train(mixture, initial_epoch=1)
    yield "joint mixture", own.measure(mixture)["soft"], {"cell": own.space.to_string(mixture.model.derive())}

    weights_only = own.metanas("weights-only", architecture_warmup=1.0)
    halfway.give(weights_only)
    own.train(weights_only, initial_epoch=1)
    still = own.metanas("no search", architecture_warmup=1.0, temperatures=(1.0, 1.0), search=False)
    for variable, value in zip(variables_of(still), variables_of(weights_only), strict=True):
        variable.assign(value)
    yield "weights-only, no search", own.measure(still)["soft"], {}
    results = own.measure(weights_only)
    yield from ((f"weights-only, {kind}", results[kind], {}) for kind in ("soft", "hardened"))

    scratch = own.measure(own.metanas("scratch", inner_learning_rate=own.arguments.scratch_learning_rate))
    yield from ((f"scratch, {kind}", scratch[kind], {}) for kind in ("soft", "hardened"))
    yield "derived", *own.discrete(derived)
    yield "all nor_conv_3x3", *own.discrete(own.space.genotype(dict.fromkeys(own.space.choices, "nor_conv_3x3")))


def random_cells(own: Seed) -> Any:
    """The mean over random cells, as an arm; the whole space, as `derive` without a cap of skips reaches all of it."""
    rng = np.random.default_rng(own.seed)
    cells = [own.discrete(own.space.sample(rng)) for _ in range(own.arguments.random_cells)]
    each = {facts["cell"]: round(float(accuracies.mean()), 4) for accuracies, facts in cells}
    yield "random cells", np.mean([accuracies for accuracies, _ in cells], axis=0), {"cells": each}


class Halfway:
    """A learner's variables after the first epoch of two."""

    def of(self, learner: Any) -> Any:
        """The callback that keeps them."""
        import keras
        from keras import ops

        def keep(epoch: int, logs: Any) -> None:
            if epoch == 0:
                self.values = [np.array(ops.convert_to_numpy(variable)) for variable in variables_of(learner)]

        return keras.callbacks.LambdaCallback(on_epoch_end=keep)

    def give(self, learner: Any) -> None:
        """Put another one of the same kind there."""
        for variable, value in zip(variables_of(learner), self.values, strict=True):
            variable.assign(value)


def variables_of(learner: Any) -> list[Any]:
    """All that a training changes of a `MetaNAS`."""
    optimizers = [learner.optimizer, *learner.optimizer.inner]
    return [*learner.variables, *(optimizer.iterations for optimizer in optimizers)]


def measured(learner: Any) -> Callable:
    """A function of a sampler and a number of tasks that gives the accuracy on each task.

    Of the adapted model as `soft`; of a supernet also as `hardened`, with the `choices` of its edges. `hardened` is
    what `learner.harden` makes of the adapted model and the support set, without making 100 models.
    """
    from keras import ops

    from kerasnas.backend import map_tasks, traced_once, values
    from kerasnas.relaxations.base import is_alphas

    function, variables = learner.function, learner.model.trainable_variables
    is_supernet = any(map(is_alphas, variables))

    def one(trainable: Any, state: Any, episode: Any) -> Any:
        support, (x, _) = episode
        w, own = learner.adapted(trainable, state, support, ADAPTATION_STEPS)
        results = {"soft": function.predict(w, own, x)}
        if is_supernet:
            (alphas,) = [value for value, variable in zip(w, variables, strict=True) if is_alphas(variable)]
            choices = ops.argmax(alphas, axis=-1)
            table = (ops.one_hot(choices, len(PRIMITIVES)) - 1) * -NOT_CHOSEN
            hard = [table if is_alphas(variable) else value for value, variable in zip(w, variables, strict=True)]
            results["hardened"] = function.predict(hard, function.with_statistics_of(support[0], hard, own), x)
            results["choices"] = choices
        return results

    run: Callable = traced_once(lambda w, state, batch: map_tasks(lambda episode: one(w, state, episode), batch))

    def measure(sampler: Any, episodes: int, tasks: int = 20) -> dict[str, np.ndarray]:
        trainable, state = values(learner.trainable_variables), values(learner.non_trainable_variables)
        found: dict[str, list[np.ndarray]] = {}
        for index in range(episodes // tasks):
            batch = sampler.batch(index, tasks)
            for name, outputs in run(trainable, state, (batch.support, batch.query)).items():
                part = ops.convert_to_numpy(outputs)
                if name != "choices":
                    part = (part.argmax(-1) == np.asarray(batch.query[1])).mean(-1)
                found.setdefault(name, []).append(part)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    return measure


def report(found: dict[str, list[np.ndarray]]) -> tuple[list[dict], list[dict]]:
    """Print accuracies of all arms, and the paired differences, in points; both tables as rows."""
    from kerasnas.meta.evaluation import Estimate

    def cells(parts: list[np.ndarray], sign: str = "+") -> list[str]:
        whole = Estimate.of(100 * np.concatenate(parts))
        each = ", ".join(f"{100 * part.mean():{sign}.1f}" for part in parts)
        return [f"{whole.mean:{sign}.1f} ± {whole.interval:.1f}", each]

    arms = tracked.Table(["arm", "accuracy", "of each seed"])
    for name, parts in found.items():
        arms.add([name, *cells(parts, "")])
    print()
    differences = tracked.Table(["difference, paired", "points", "of each seed"])
    for first, second in COMPARISONS:
        # After the first seeds of the random cells, the others have more.
        both = [a - b for a, b in zip(found.get(first, []), found.get(second, []), strict=False)]
        if both:
            differences.add([f"{first} minus {second}", *cells(both)])
    return arms.rows, differences.rows


if __name__ == "__main__":
    main()
