"""The challenge of pretrained networks: who is expected to end best stands, and every kill resumes to the same end."""

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.intervals import paired_difference
from kerasnas.modalities.lazy_images import even_batch
from kerasnas.racing.curves import TUNED, extrapolated
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.entrants.slices import FINISH_SECONDS
from kerasnas.racing.race import challenge, stage
from kerasnas.racing.race import field as field_module
from kerasnas.racing.race.ranking import expected_end
from kerasnas.starts import STARTS, AdaptationSpace, probes
from kerasnas.starts.base import StartError
from kerasnas.starts.heads import COMPARED, Head
from kerasnas.starts.probes import Prober, widths
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training.recipe import TrainingRecipe
from tests.kit import Traced
from tests.racing.test_stage import CLASSES, TRACED, build, candidates, finish, race, resumes_to_the_same_end, short  # noqa: F401
from tests.starts.kit import TinyStart

ADAPTED = {}  # kind of start -> its networks, each traced once


class Blind(TinyStart):
    """A start whose features are the same for all images, and stay so: its kernels and its batch norms are zero."""

    def build(self, size):
        model = super().build(size)
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        return model


class Missing(TinyStart):
    def build(self, size):
        raise StartError("its file is damaged")


def colors(number, seed):
    """Images whose class is their brightness, which a frozen network sees as well as any."""
    rng = np.random.default_rng(seed)
    y = np.arange(number) % CLASSES
    x = np.clip(0.1 + 0.3 * y[:, None, None, None] + 0.1 * rng.standard_normal((number, 8, 8, 1)), 0, 1)
    return x.astype("float32"), y


def prober_of(start=TinyStart, sizes=(32,), **options):
    STARTS.register("tiny", start)
    return Prober(AdaptationSpace(starts=["tiny"], sizes=sizes), (8, 8, 1), CLASSES, CLASSIFICATION, **options)


def entrant(folder, start, **options):
    prober = prober_of(start, (32, 64))
    space = prober.space

    def adapted(genotype):
        model = space.build_network(genotype, (8, 8, 1), CLASSES)
        return TrainingRecipe(algorithm="adam", learning_rate=3e-4).compile_network(model, None)

    traced = ADAPTED.setdefault(start, Traced(adapted))
    traced.begin()

    def built(genotype):
        return (traced if genotype.space == space.name else TRACED)(genotype)

    given = {"data": colors(96, 0), "held_out": colors(48, 1), "build": built, "prober": prober, **options}
    given.setdefault("initialize", lambda name, model, x, y: prober.begin(model, name, x, y))
    return race(folder, **given)


def field(sizes=(), side=8, samples=(17, 48), batch_size=8, seconds=300, left=lambda: 300, **parts):
    """A field of which nothing is trained: what the arithmetic of a challenge reads of it."""
    space = SimpleNamespace(starts=("tiny",), sizes_of_images=sizes)
    data, held_out = ((np.zeros(number), None) for number in samples)
    known = {
        "prober": SimpleNamespace(input_shape=(side, side, 3), space=space),
        "budget": SimpleNamespace(seconds=seconds, left=left, spent=lambda: 0.0, clock=None),
        "contestants": SimpleNamespace(**dict.fromkeys(("write", "save", "forget"), lambda *options: None)),
        "batch_size_for": lambda samples, entry: entry.get("batch_size", batch_size),
    }
    return SimpleNamespace(**known, data=data, held_out=held_out, most=12, **parts)


@pytest.fixture(autouse=True)
def unregistered():
    yield
    if "tiny" in STARTS:
        STARTS.unregister("tiny")


def test_a_start_that_sees_what_counts_wins_and_gets_the_rest_of_the_time(tmp_path, monkeypatch):
    said, fit, take, read = [], Head.fitted, Contestant._batch, set()
    monkeypatch.setattr(Head, "fitted", lambda x, *given: [read.add(len(x)), fit(x, *given)][1])
    monkeypatch.setattr(Contestant, "_batch", lambda self: [read.add(len(self.batches.x)), take(self)][1])
    advance, falls = Contestant.advance, []

    def scheduled(self, clock, seconds=math.inf, steps=math.inf, **options):
        if "schedule" in options:
            falls.append([options["schedule"](part * seconds) for part in (0.0, 0.5, 1.0, 1.1)])
        advance(self, clock, seconds, steps, **options)

    monkeypatch.setattr(Contestant, "advance", scheduled)
    augmented, prepare = [], field_module.batches_of
    monkeypatch.setattr(field_module, "batches_of", lambda *given: augmented.append(given[-1]) or prepare(*given))
    one = entrant(tmp_path, TinyStart, said=said)
    found = one.run()
    assert read == {96}  # and none of those held out
    assert falls == [[1.0, 0.5, 0.0, 0.0]]  # of the tuned network: its learning rate ends at 0 within the slice
    assert found["winner"].startswith("tiny_") and found["contestants"][found["winner"]]["kind"] == "pretrained"
    (start,) = found["starts"]
    assert start["licence"] == "MIT" and len(start["stages"]) == 5
    assert one.entries[found["winner"]]["batch_size"] == challenge.BATCH
    assert one.entries[found["winner"]]["exponent"] == TUNED
    assert set(augmented[1:]) == {tuple(found["augment"])} and found["augment"][0] == "shift"  # but for the scout's
    (frozen,), (tuned,) = ([name for name in one.entries if name.endswith(end)] for end in ("_frozen", "_tuned"))
    error = paired_difference(one.scores(tuned, -1), one.scores(frozen, -1))[1]
    assert error > 0 and one.entries[tuned]["handicap"] == error and "handicap" not in one.entries[frozen]
    out = [entry["outcome"] for name, entry in found["contestants"].items() if name != found["winner"]]
    assert len(out) == 2 and all(words.startswith("out after the challenge") for words in out)
    assert any("tiny, frozen, 64x64" in line for line in said)
    read.clear()
    record, _ = finish(one, colors(60, 2))
    assert read == {144}  # the head is fitted again, to what was held out too
    assert record["test_accuracy"] > 0.9 and one.budget.spent() <= 480


@pytest.mark.parametrize("lead", [0.0, 0.2])
def test_a_tuned_network_whose_steps_are_too_slow_for_enough_of_them_is_out_unless_it_leads(
    lead, tmp_path, monkeypatch
):
    monkeypatch.setattr(challenge, "_tunable", lambda field, probe: 5)  # as an estimate that is too short says
    monkeypatch.setattr(challenge, "_LEAST_STEPS", 10**9)
    monkeypatch.setattr(challenge, "paired_difference", lambda *scores: (lead, 0.1))
    found = entrant(tmp_path, TinyStart).run()
    (tuned,) = (entry for name, entry in found["contestants"].items() if name.endswith("_tuned"))
    assert ("with time for only " in tuned["outcome"]) == (not lead)
    assert lead or found["winner"].endswith("_frozen")


def test_a_first_candidate_is_looked_at_twice_however_short_its_time(tmp_path, monkeypatch):
    def stop(field):
        raise StopIteration

    monkeypatch.setattr(stage, "first_steps", lambda seconds: 10_000)
    monkeypatch.setattr(stage, "challenge", stop)
    one = entrant(tmp_path, TinyStart)
    with pytest.raises(StopIteration):
        one.run()
    early, late = (look["steps"] for look in one.entries[one.progress["first"]]["curve"])
    assert 0 < early < late < 100  # a sixteenth of the budget


def test_a_handicap_is_taken_off_what_a_tuned_network_is_hoped_to_reach():
    one = field(samples=(500, 48), left=lambda: 20.0, progress={})
    begun = {"curve": [{"steps": 0, "accuracy": 0.5}, {"steps": 4, "accuracy": 0.4}], "step_seconds": 0.1}
    assert expected_end(one, begun) > 0.6
    assert expected_end(one, {**begun, "handicap": 0.1}) == pytest.approx(expected_end(one, begun) - 0.1)


@pytest.mark.parametrize(("side", "seconds", "size"), [(32, 999, 128), (150, 999, 128), (224, 999, 192), (224, 9, 128)])
def test_the_size_of_the_data_is_tried_first_where_there_is_time(side, seconds, size):
    """Of 150 images of 192 pixels, a probe may take 1.7 s, and a tenth of the budget."""
    assert challenge._first_size(field((96, 128, 192), side, (100, 50), seconds=seconds)) == size


@pytest.mark.parametrize(
    ("merits", "side", "tried", "size"),
    [((0.5, 0.7, 0.6), 16, 3, 64), ((0.7, 0.5, 0.9), 16, 2, 32), ((0.5, 0.7, 0.9), 11, 2, 64)],  # 66 pixels at most
)
def test_sizes_are_tried_and_chosen_by_their_merit(merits, side, tried, size, monkeypatch):
    entered, sizes = [], (32, 64, 96)
    monkeypatch.setattr(challenge, "_first_size", lambda field: 32)
    monkeypatch.setattr(challenge, "_affordable", lambda *options: True)
    for step in ("_continue", "_decide"):
        monkeypatch.setattr(challenge, step, lambda *options: None)
    monkeypatch.setattr(challenge, "_tunable", lambda field, probe: 0)
    monkeypatch.setattr(challenge, "_enter_frozen", lambda field, probe: entered.append(probe["size"]))

    def probed(field, plan, name, size):
        merit = merits[sizes.index(size)]
        plan["probes"].append({"start": name, "size": size, "merit": merit, "score": 1 - merit})
        return plan["probes"][-1]

    monkeypatch.setattr(challenge, "_probed", probed)
    plan = {"probes": [], "done": False}
    challenge.challenge(field(sizes, side, progress={"challenge": plan, "standing": ["conv"]}))
    assert len(plan["probes"]) == tried and entered == [size]


@pytest.mark.parametrize(
    ("samples", "batch_size", "step_seconds", "steps"),
    [
        (17, 4, 0.01, 425),  # a hundred epochs
        (2000, 64, 0.01, 20),  # they would take 31 s of 60
        (17, 4, 0.036, 20),
        (17, 4, 1.0, 10),
    ],
)
def test_the_first_candidate_is_trained_to_the_end_where_few_samples_take_a_moment(
    samples, batch_size, step_seconds, steps
):
    contestant = SimpleNamespace(steps=10)
    contestant.advance = lambda clock, steps: setattr(contestant, "steps", contestant.steps + steps)
    traced, progress = [], {"first": "conv", "steps": 10}
    entries = {"conv": {"outcome": "", "rungs": [{}], "step_seconds": step_seconds}}
    how = {"begun": lambda name: contestant, "trace": lambda name, contestant: traced.append(contestant.steps)}
    one = field((), 8, (samples, 48), batch_size, seconds=60.0, progress=progress, entries=entries, **how)
    challenge._continue(one)
    assert contestant.steps == steps and traced == [steps] * (steps > 10)


@pytest.mark.parametrize(
    ("merits", "seconds", "tried", "size"),
    [
        # Probes take 4, 16 and 36 s; the last, what follows it (54), what was spent (4), the end (5): 99.
        ((0.6, 0.7, 0.8), 100, [32, 96], 96),
        ((0.6, 0.7, 0.8), 98, [32, 64], 64),
        ((0.6, 0.7, 0.8), 40, [32], 32),
        ((0.6, 0.2, 0.11), 500, [32, 96], 96),  # two standard errors are 0.5
        ((0.6, 0.2, 0.09), 500, [32, 96, 64], 64),
        ((0.6, 0.0, 0.0), 500, [32, 96, 64], 32),
    ],
)
def test_a_frozen_network_sees_the_largest_images_unless_it_is_worse(merits, seconds, tried, size, monkeypatch):
    sizes, spent = (32, 64, 96), [0.0]

    def probed(field, plan, name, size):
        spent[0] += 4 * (size / 32) ** 2
        probe = {"start": name, "size": size, "merit": merits[sizes.index(size)], "score": 0.5, "error": 0.25}
        plan["probes"].append({**probe, "pace": (size / 32) ** 2, "seconds": 4 * (size / 32) ** 2})
        return plan["probes"][-1]

    one, plan = field(sizes, samples=(3, 1), left=lambda: seconds - spent[0], test_samples=2), {"probes": []}
    best = probed(one, plan, "tiny", 32)
    monkeypatch.setattr(challenge, "_probed", probed)
    found = challenge._larger(one, plan, best)
    assert found["size"] == size and [probe["size"] for probe in plan["probes"]] == tried
    assert challenge._larger(one, plan, best)["size"] == size and len(plan["probes"]) == len(tried)  # resumed


@pytest.mark.parametrize("stands", ["tiny_32_frozen", "conv"])
def test_the_frozen_network_of_larger_images_takes_the_place_of_the_one_that_stands(stands, monkeypatch):
    best, larger = ({"start": "tiny", "size": size} for size in (32, 64))
    for step, found in (("_continue", None), ("_larger", larger)):
        monkeypatch.setattr(challenge, step, lambda *options, found=found: found)
    entries = {"conv": {}}
    entered = lambda field, probe: entries.update({f"tiny_{probe['size']}_frozen": {}})  # noqa: E731
    monkeypatch.setattr(challenge, "_enter_frozen", entered)
    progress = {"challenge": {"done": False, "best": best, "tuned": 0, "ends": {}}, "standing": [stands]}
    challenge.challenge(field(progress=progress, entries=entries))
    left = "tiny_32_frozen" if stands == "conv" else "tiny_64_frozen"
    assert [*entries] == ["conv", left]
    assert progress["standing"] == [stands if stands == "conv" else left]


@pytest.mark.parametrize("samples", [17, 150, 400])
def test_the_pace_of_a_start_is_that_once_it_is_traced(samples, monkeypatch):
    seen, now = set(), [0.0]

    def predicted(model, x, most):
        size = even_batch(len(x), most)
        now[0] += 0.1 * len(x) + 10 * (size not in seen)
        seen.add(size)
        return x

    monkeypatch.setattr(probes, "predicted", predicted)
    monkeypatch.setattr(probes, "_reader", lambda model: model)
    x, held_out = np.zeros((samples, 1)), np.zeros((18, 1))
    assert probes._read(None, x, held_out, lambda: now[0])[2] == pytest.approx(0.1)


@pytest.mark.usefixtures("eagerly")
def test_all_samples_say_which_head_is_the_best(monkeypatch):
    prober = prober_of()
    (x, y), (held, labels) = colors(12, 0), colors(4, 1)
    right, wrong = np.eye(CLASSES)[y], np.eye(CLASSES)[(y + 1) % CLASSES]

    def fitted(features, *options):
        left_out, outputs = (right, np.eye(CLASSES)[(labels + (np.arange(4) > 2)) % CLASSES])
        if features.shape[1] == least:  # only the samples held out are for it
            left_out, outputs = wrong, np.eye(CLASSES)[labels]
        head = SimpleNamespace(left_out=left_out, outputs=lambda features: outputs)
        head.merit = functools.partial(Head.merit, head)
        return head

    counts = widths(prober.network("tiny", 32))
    least = min(counts.values())
    monkeypatch.setattr(Head, "fitted", fitted)
    found = prober.probe("tiny", 32, (x, y), (held, labels), lambda: 0.0)
    assert counts[found["head"]] > least and found["score"] == 0.75 and found["merit"] == pytest.approx(15 / 16)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("limit", "tried"), [pytest.param(0.0, 1, marks=pytest.mark.slow), (82.0, 1), (83.0, 3)])
def test_a_wider_head_is_tried_where_there_is_time(limit, tried, monkeypatch):
    prober = prober_of()
    assert [*widths(prober.network("tiny", 32)).values()] == [8, 30, 38]
    clock, fit, widths_tried = [0.0], Head.fitted, []

    def fitted(features, *options):
        clock[0] += 10.0
        widths_tried.append(features.shape[1])
        return fit(features, *options)

    monkeypatch.setattr(Head, "fitted", fitted)
    found = prober.probe("tiny", 32, colors(12, 0), colors(4, 1), lambda: clock[0], limit)
    assert widths_tried == sorted(widths_tried) and len(widths_tried) == tried
    assert found["seconds"] == 10 * tried and (tried > 1 or found["head"] == "last")


@pytest.mark.slow
def test_a_start_that_sees_nothing_leaves_the_race_as_it_is(tmp_path):
    found = entrant(tmp_path, Blind).run()
    assert not found["winner"].startswith("tiny_") and "starts" not in found
    raced = [name for name, entry in found["contestants"].items() if len(entry["rungs"]) and "tiny" not in name]
    assert len(raced) == 4  # they raced as they do without it
    assert len(found["contestants"]) > 4


@pytest.mark.parametrize(
    ("first", "samples", "stands"),
    [(0.901, 26, "frozen"), (0.903, 26, "cnn"), (0.8535, 10_000, "frozen"), (0.8555, 10_000, "cnn")],
)
def test_in_doubt_the_pretrained_network_stands(first, samples, stands, monkeypatch):
    """Half a standard error is 0.05 of 26 samples and 0.0025 of 10,000; the first may be 0.005 behind."""
    monkeypatch.setattr(challenge, "expected_end", lambda field, entry: entry["end"])
    entries = {"cnn": {"curve": [], "outcome": "", "end": first}}
    entries["frozen"] = {"curve": [], "outcome": "", "end": 0.857, "rungs": [{"steps": 0}]}
    progress, scores = {"first": "cnn", "standing": ["cnn"], "waiting": []}, np.arange(samples) % 2
    challenge._decide(
        field(samples=(0, samples), entries=entries, progress=progress, scores=lambda name, rung: scores), {}
    )
    assert progress["standing"] == [stands]


@pytest.mark.slow
@pytest.mark.parametrize(("start", "wins"), [(TinyStart, True), (Blind, False)])
def test_after_a_duel_pretrained_networks_challenge_its_winner(start, wins, tmp_path, monkeypatch):
    monkeypatch.setattr(challenge, "_DOUBT", 2.0)  # the winner gets all held-out images right, the other all but one
    one = entrant(tmp_path, start, duel=True, most=2, candidates=lambda number: candidates(2)[::-1])
    found = one.run()
    assert one.progress["first"] == "conv"  # who won the duel, and not who began
    record, _ = finish(one, colors(60, 2))
    assert found["winner"].startswith("tiny_") == wins and record["test_accuracy"] > 0.6
    raced = [entry for name, entry in found["contestants"].items() if "tiny" not in name]
    assert len(raced) == 2 and all(entry["rungs"] for entry in raced)
    assert sum("challenge" in entry["outcome"] for entry in raced) == wins  # the other lost the duel
    assert len(found["comparison"]) >= 2


def test_a_start_that_cannot_be_read_is_left_out_with_its_reason(tmp_path):
    said = []
    found = entrant(tmp_path, Missing, said=said, minutes=2.0, candidates=lambda number: candidates(2)).run()
    assert any("its file is damaged" in line for line in said) and len(found["contestants"]) == 2


@pytest.mark.parametrize(
    ("score", "first", "samples", "left", "stages"),
    [
        (0.8, (0.6, 0.7), 80, 250, 5),
        (0.8, (0.6, 0.7), 80, 150, 2),  # a hundred steps of 32 images of all stages take 169 s
        (0.8, (0.6, 0.7), 80, 120, 1),
        (0.8, (0.6, 0.7), 80, 95, 0),
        (0.8, (0.6, 0.7), 79, 250, 5),
        (0.8, (0.6, 0.7), 79, 150, 0),  # few
        (0.7, (0.95, 0.98), 80, 250, 0),  # it would be behind the first network
    ],
)
def test_as_many_stages_are_tuned_as_there_is_time_for(score, first, samples, left, stages):
    curve = [{"steps": 75 * (1 + late), "accuracy": accuracy} for late, accuracy in enumerate(first)]
    known = {"entries": {"cnn": {"curve": curve, "step_seconds": 0.1, "outcome": ""}}, "progress": {"first": "cnn"}}
    one = field(samples=(samples, 50), left=lambda: left, num_classes=10, **known)
    probe = {"score": score, "pace": 12e-3, "head": "linear"}
    assert challenge._tunable(one, probe) == stages
    assert not stages or challenge._tunable(one, {**probe, "pace": 0.0}) == 5  # a clock may be coarse
    assert challenge._tunable(one, {**probe, "head": COMPARED}) == 0


@pytest.mark.slow
def test_a_first_candidate_that_diverges_is_out(tmp_path, monkeypatch):
    advance = Contestant.advance

    def diverging(self, clock, seconds=math.inf, steps=math.inf, **options):
        if self.steps == steps == 12:
            raise NonFiniteError("The loss stopped being finite.")
        advance(self, clock, seconds, steps, **options)

    monkeypatch.setattr(Contestant, "advance", diverging)
    found = entrant(tmp_path, TinyStart).run()
    assert "stopped being finite" in found["contestants"]["conv"]["outcome"]
    assert found["winner"].startswith("tiny_")


def test_without_a_race_nothing_challenges(tmp_path):
    found = entrant(tmp_path, TinyStart, most=1, candidates=lambda number: candidates(1)).run()
    assert list(found["contestants"]) == ["conv"]


# While a pretrained network is tuned, in a duel before, in the last training; 30 is an earlier step of the first.
@pytest.mark.slow
@pytest.mark.parametrize(("at", "duel"), [(45, False), (45, True), (30, False), (52, False)])
def test_killed_it_resumes_to_the_same_end(at, duel, tmp_path, monkeypatch):
    def make(name):
        if "tiny" in STARTS:
            STARTS.unregister("tiny")
        return entrant(tmp_path / name, TinyStart, duel=duel)

    resumes_to_the_same_end(make, at, monkeypatch, colors(30, 2))


def test_curves_are_extrapolated_as_far_as_they_bend():
    flat, steep = extrapolated(0.75, 0.75, 1, 4), extrapolated(0.5, 0.75, 1, 4)
    assert 0.75 < flat < 0.8 < steep < 1  # the usual exponent counts where nothing is measured
    assert extrapolated(0.8, 0.7, 1, 4) == pytest.approx(0.7)  # a score that falls is not expected to fall on
    assert extrapolated(0.5, 0.75, 2, 4) < steep  # the same gain in twice the doublings
    few, usual = extrapolated(0.5, 0.75, 1, 4, samples=10), extrapolated(0.75, 0.75, 0, 4)
    assert usual < few < extrapolated(0.5, 0.75, 1, 4, samples=1000) < steep  # a gain that few samples tell is noise


def test_an_end_is_expected_by_what_is_left_and_by_how_such_curves_went_on():
    entry = {"curve": [{"steps": 64, "accuracy": 0.5}, {"steps": 128, "accuracy": 0.6}], "step_seconds": 0.1}
    left = 0.1 * 31 * 128 + FINISH_SECONDS  # 31 times as many steps
    one = field(samples=(640, 100), batch_size=64, left=lambda: left, progress={})
    expected = extrapolated(0.5, 0.6, 1, 5, samples=100)
    assert expected_end(one, entry) == pytest.approx(expected)
    assert expected_end(one, {**entry, "handicap": 0.01}) == pytest.approx(expected - 0.01)
    other = extrapolated(0.5, 0.6, 1, 5, 0.4, samples=100)
    assert expected_end(one, {**entry, "exponent": 0.4}) == pytest.approx(other) and other > expected + 0.01


@pytest.mark.slow
def test_the_time_of_probes_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(challenge, "PROBES", 1e-9)
    monkeypatch.setattr(challenge, "_larger", lambda field, plan, best: best)  # takes what nothing else takes
    said = []
    entrant(tmp_path, TinyStart, said=said).run()
    assert sum("frozen," in line for line in said) == 1  # one for each start, whatever it takes


@pytest.mark.slow
def test_the_smaller_network_stands_where_none_is_better(tmp_path):
    flat = colors(96, 0)[0], np.zeros(96, int)  # whoever answers, answers right
    found = entrant(tmp_path, TinyStart, data=flat, held_out=(colors(48, 1)[0], np.zeros(48, int))).run()
    assert not found["winner"].startswith("tiny_")
