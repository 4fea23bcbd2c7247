"""Race as a method of a run: from the settings to the trained winner and its report."""

from __future__ import annotations

from kerasnas import datasets
from kerasnas.files.stages import EXPERIENCE, Stages
from kerasnas.genotypes import of_entry
from kerasnas.methods.assembly import check_kind, checked_data
from kerasnas.methods.final_training import check_starts
from kerasnas.methods.plan import plan_text, report_words
from kerasnas.methods.race.limits import limits, needs
from kerasnas.methods.race.making import breadth, companion_of, make_race, with_space
from kerasnas.methods.race.references import compare_references
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.race.starts import longest_side
from kerasnas.methods.remembering import remember
from kerasnas.racing.budget import Budget, spent_before
from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.race.heats import MOST_SHARE
from kerasnas.racing.rungs import race_share
from kerasnas.racing.winner import train_winner
from kerasnas.records import Record
from kerasnas.reporting.tables import duration
from kerasnas.runs.method import Context, Method
from kerasnas.spaces.base import has_supernet


class RaceMethod(Method[RaceConfig, datasets.Dataset]):
    """Whole networks side by side, within a budget of time."""

    name, words, settings, option = "race", "a race", RaceConfig, "race"
    way = "Add --method=race."

    def flags(self, settings: RaceConfig) -> list[str]:
        """Return the flags of the settings, and `--method` for a space that gradients would search by default."""
        return [*(["--method=race"] if has_supernet(settings.space) else []), *settings.flags()]

    def suits(self, space: str | None, dataset: str) -> bool:
        """True: a race takes whatever no other method does."""
        return True

    def load(self, settings: RaceConfig) -> datasets.Dataset:
        limits(settings)  # a wrong board is told before the data are read
        data = checked_data(settings, longest=longest_side(settings))
        check_kind(with_space(settings, data), data)
        return data.counted(settings.metric, settings.class_weight)

    def budget(self, settings: RaceConfig, stages: Stages, spent: float) -> Budget:
        return settings.budget(spent + spent_before(stages, "racing"))

    def plan(self, context: Context[RaceConfig, datasets.Dataset]) -> str:
        assert context.budget is not None
        return race_plan(context.settings, context.data, context.budget)

    def run(self, context: Context[RaceConfig, datasets.Dataset]) -> Record:
        progress, data, task = context.progress, context.data, context.data.task
        check_starts(context.stages, data)
        # Closed before the winner is trained, which gets all cores.
        with context.executor() as executor, progress.following(context.state):
            race = make_race(context, executor)
            progress.phase("race", race.contestants.at_work)
            found = race.run()
        with progress.following(context.state):
            progress.phase("training", race.contestants.at_work)
            beside = companion_of(context.settings, data)
            searched = context.examined(train_winner(race, context.keep_classifier, beside))
            context.keep_genotype(of_entry(searched["genotype"]))
            progress(
                f"  {searched['parameters']:,} parameters, test {task.words} {searched[f'test_{task.metric}']:.4f}, "
                f"{duration(searched['seconds'])} of training"
            )
            if words := needs(context.settings, data, race.build(of_entry(searched["genotype"]))):
                progress(f"  Of what is limited, it needs {words}.")
            if line := task.unmeasured(data.y_test, data.classes, f"test {data.modality.plural}"):
                progress(line)
            progress.phase("report")
            if references := compare_references(context):
                found = {**found, "references": references}
            record = context.finish(searched, race=found, experience=context.stages.stage(EXPERIENCE))
        remember(context.settings, data, found, searched, context.settings.budget(), progress)
        return record


def race_plan(config: RaceConfig, data: datasets.Dataset, budget: Budget) -> str:
    """Return the plan of a race, with the seconds of each of its phases.

    Example:

    >>> data = datasets.load("fashion_mnist_mini")
    >>> print(race_plan(RaceConfig(), data, Budget(5)))
    Plan: 5 min 0 s for everything, wall-clock.
      race      up to 12 candidates on 28x28x1 images of fashion_mnist_mini; up to 59.0 s for all but the first
      training  the best one, on all 6,000 images, with the rest of the time
      report    accuracy on 1,000 test images, plots, report, model card; about 5 s
    """
    clock = "CPU time" if budget.cpu else "wall-clock"
    samples = f"{data.modality.shaped(data.input_shape)} of {data.name}"
    most, share, _ = breadth(with_space(config, data), data)
    if most > 1:
        share = share or max(MOST_SHARE, race_share(budget.seconds))
        others = f"; up to {duration(share * max(0.0, budget.seconds - FINISH_SECONDS))} for all but the first"
        race = f"up to {most} candidates on {samples}{others}"
    else:
        race = f"none: one network on {samples}"
    return plan_text(
        f"{duration(round(budget.left()))} {'left ' if budget.spent() > 60 else ''}for everything, {clock}.",
        ("race", race),
        ("training", f"the best one, on all {len(data.x_train):,} {data.modality.plural}, with the rest of the time"),
        ("report", f"{report_words(data)}; about {FINISH_SECONDS:.0f} s"),
    )
