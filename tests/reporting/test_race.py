"""What a report says of a race."""

import json

import pytest

from kerasnas.records import Record
from kerasnas.reporting.card import card_text
from kerasnas.reporting.comparisons import comparisons_in, verdict
from kerasnas.reporting.race import RaceComparison
from kerasnas.reporting.report import report_text
from kerasnas.reporting.tables import class_table
from kerasnas.spaces import MacroSpace

REFERENCES = MacroSpace().references()


def entry(kind, name, *accuracies, outcome="out after rung 1"):
    rungs = [{"accuracy": a, "expected": a, "steps": 100 * i, "seconds": 10.0 * i} for i, a in enumerate(accuracies, 1)]
    genotype = json.loads(REFERENCES[name].to_json())
    sizes = {"parameters": 1000 * len(name), "macs": 10**6}
    return {"kind": kind, "genotype": genotype, "rungs": rungs, "outcome": outcome, **sizes}


@pytest.fixture
def result():
    contestants = {
        "cnn": entry("reference", "cnn", 0.80, 0.85, outcome="out after rung 2"),
        "wide": entry("default", "vgg_3x3", 0.78, 0.90, outcome="winner"),
        "random-1": entry("random", "resnet_8", 0.60),
        "broken": {**entry("reference", "resnet_20"), "outcome": "failed: no | room"},
    }
    race = {
        "winner": "wide",
        "rungs": [[4, 100], [2, 200]],
        "validation_samples": 400,
        "augment": ["shift", "flip"],
        "kept": {"flip": 0.99, "rotate": 0.2},
        "contestants": contestants,
        "comparison": [
            {"name": "cnn", "rung": 2, "difference": 0.05, "error": 0.01},
            {"name": "random-1", "rung": 1, "difference": 0.18, "error": 0.1},
        ],
    }
    searched = {"test_accuracy": 0.9, "test_loss": 0.3, "parameters": 7000, "seconds": 60.0}
    searched["history"] = {"steps": [100, 200], "loss": [1.0, 0.5], "accuracy": [0.6, 0.8]}
    genotype = contestants["wide"]["genotype"]
    return {"genotype": genotype, "searched": searched, "race": race, "dataset": {"name": "x", "test_examples": 100}}


@pytest.mark.parametrize(
    ("used", "words"),
    [(True, "With a linear model next to it, it"), (False, "adds nothing to the linear model. Handed")],
)
def test_verdict_says_whether_the_network_adds_to_the_linear_model(used, words, result):
    result["searched"]["linear"] = {"longest": 2, "network": {"used": used}}
    assert words in verdict(result)


def test_verdict_names_the_winner_its_lead_and_what_it_reaches(result):
    said = verdict(result)
    assert "wide, a default network, won a race of 3 networks." in said
    assert "On 400 held-out images it was 5.0 points ahead of cnn, the runner-up" in said
    assert "after 200 steps of training each (95 % interval ± 2.0)." in said
    assert "18.0 points ahead of random-1" in said and said.count("which may be chance") == 1
    assert "90.00 % test accuracy (95 % interval 82.6 to 94.5 %)" in said


def test_verdict_compares_a_network_with_its_control_once(result):
    race = result["race"]
    race["contestants"]["wide"] |= {"kind": "initialized"}
    lead = {"name": "wide", "control": "cnn", "initializer": "images", "steps": 200, "difference": 0.05, "error": 0.01}
    said = verdict({**result, "race": {**race, "initialization": [lead]}})
    assert said.count("ahead of cnn") == 1 and "ahead of random-1" in said


def test_verdict_names_the_best_network_beside_a_pretrained_one_and_the_steps_of_both(result):
    race, frozen = result["race"], entry("pretrained", "cnn", 0.95)
    race["contestants"] |= {"photos_frozen": frozen, "photos_tuned": entry("pretrained", "cnn", 0.96, outcome="winner")}
    race["contestants"]["wide"]["rungs"] = [{"accuracy": 0.9, "steps": 300, "seconds": 30.0}]
    race |= {"winner": "photos_tuned", "comparison": []}
    for name, difference in (("photos_frozen", 0.01), ("wide", 0.06)):
        race["comparison"].append({"name": name, "rung": 1, "difference": difference, "error": 0.01})
    said = verdict(result)
    assert "it was 6.0 points ahead of wide, the best network without such a start, after 100 steps of training" in said
    assert "against 300 (95 %" in said and "1.0 points ahead of photos_frozen, the runner-up, after 100 steps" in said


def test_chart_of_sizes_leaves_out_what_was_never_built(result):
    frozen = entry("pretrained", "cnn", 0.95)
    del frozen["parameters"], frozen["macs"]
    result["race"]["contestants"]["photos_frozen"] = frozen
    curves, sizes = RaceComparison().chart(Record(result)).split("<figure")[1:]
    assert "photos_frozen" in curves and "photos_frozen" not in sizes and sizes.count("<circle") == 3
    assert "after 100 steps" in sizes and ">4,000<" in sizes
    for name in ("wide", "random-1"):
        del result["race"]["contestants"][name]["parameters"]
    assert RaceComparison().chart(Record(result)).count("<figure") == 1  # one point is no chart


def test_classes_stand_with_their_accuracy_the_worst_first(result):
    result["dataset"] |= {"classes": ["cat", "dog", "owl"]}
    result["searched"]["confusion"] = [[8, 1, 1], [5, 4, 1], [0, 0, 0]]
    table = class_table(Record.of(result))
    assert [row[:2] for row in table.rows] == [["dog", "40.0 %"], ["cat", "80.0 %"]]
    assert table.rows[0][3:] == ["10", "cat (5), owl (1)"] and table.rows[0][2] == "17 to 69 %"
    assert class_table(Record({"searched": {}})).rows == []


def test_verdict_says_what_the_answers_are_means_of(result):
    result["searched"] |= {"trainings": 3, "views": 4}
    assert (
        "Its answer is the mean of the networks of 3 trainings. Its answer is the mean over 4 views of each sample."
    ) in verdict(result)


def test_verdict_says_when_a_hand_made_network_wins_and_when_there_was_no_race(result):
    result["race"]["winner"] = "cnn"
    result["race"]["comparison"] = [{"name": "wide", "rung": 2, "difference": -0.01, "error": 0.02}]
    said = verdict(result)
    assert said.startswith(
        "cnn, a hand-made network, won a race of 3 networks. On 400 held-out images it was 1.0 points"
    )
    assert "behind wide, the runner-up" in said and "their curves were expected to end at 85.0 % and 90.0 %." in said
    result["race"]["contestants"]["cnn"]["favorite"] = True
    for difference in (-0.01, 0.01):
        result["race"]["comparison"][0]["difference"] = difference
        assert "expected to end at 85.0 % and 90.0 %, and in doubt the network that was the best" in verdict(result)
    assert "neural architecture search" in card_text(Record.of(result))
    result["race"]["contestants"]["broken"]["heat"] = {"steps": 100, "accuracy": 0.3, "seconds": 2.0}
    assert "won a race of 4 networks, 1 of which ran on small images alone." in verdict(result)
    for entry in result["race"]["contestants"].values():
        entry["rungs"] = []
    result["race"]["comparison"] = []
    card = card_text(Record.of(result))
    assert "it was the only candidate" in card and "is a known one of" in card and "was found by" not in card
    assert verdict(result).startswith("The budget was too short to compare candidates; cnn, a hand-made network")


def test_a_machine_that_needs_no_network_is_compared_with(result):
    result["race"]["baseline"] = {"name": "support vector machine on the pixels", "accuracy": 0.8, "seconds": 1.0}
    said = verdict(result)
    assert "A support vector machine on the pixels gets 80.0 % there, the winner 90.0 % after 200 steps." in said
    result["race"]["baseline"]["accuracy"] = 0.95
    assert "after 200 steps: try it before any network." in verdict(result)
    assert RaceComparison().table(Record(result)).rows[-1][:3] == [
        "support vector machine on the pixels",
        "no network",
        "95.0 %",
    ]


def test_table_has_those_that_came_furthest_first(result):
    header, rows = RaceComparison().table(Record(result))
    assert [row[0] for row in rows] == ["wide", "cnn", "random-1", "broken"]
    assert rows[1][:5] == ["cnn", "hand-made", "85.0 %", "20 s, 200 steps", "5.0 ± 2.0 points"]
    assert rows[1][5:] == ["3,000", "1,000,000", "out after rung 2"]
    assert all(len(row) == len(header) for row in rows) and rows[3][-1] == "failed: no | room"
    standings = RaceComparison().standings(Record(result))
    assert [row["name"] for row in standings] == ["wide", "cnn", "random-1", "broken"]
    assert (standings[1]["score"], standings[1]["parameters"], standings[1]["kind"]) == (0.85, 3000, "hand-made")
    assert standings[3]["score"] is None and standings[3]["outcome"] == "failed: no | room"


def test_a_metric_of_which_lower_is_better_is_shown_as_it_is(result, tmp_path):
    result["dataset"]["task"] = {"name": "classification", "metric": "log_loss"}
    result["searched"] |= {"test_log_loss": 0.3, "interval": [0.2, 0.4]}
    result["race"]["references"] = [{"name": "a line", "score": 0.25}, {"name": "trees", "score": 0.5}]
    record, race = Record(result), RaceComparison()
    assert [row["score"] for row in race.standings(record)[:2]] == pytest.approx([0.1, 0.15])
    leaders = race.leaderboard(record)
    assert leaders.header[1] == "held-out log loss" and [row[1] for row in leaders.rows[:2]] == ["0.100", "0.150"]
    assert [row[2] for row in race.table(record).rows[:2]] == ["0.100", "0.150"]
    said = verdict(result)
    assert "0.050 ahead of cnn" in said and "0.300 test log loss (95 % interval 0.200 to 0.400)" in said
    assert "No network is needed: a line wins. Test log loss: handed over 0.300, a line 0.250, trees 0.500." in said
    assert "log loss" in report_text(tmp_path, Record.of(result))
    assert ">0.1<" in race.chart(record) and ">Log loss on held-out images<" in race.chart(record)


def test_report_and_card_show_the_race_and_what_the_data_allow(result, tmp_path):
    report = report_text(tmp_path, Record.of(result))
    for words in ("<h2>Race</h2>", "Symmetries of the data", "<td>99 %</td><td>yes</td>", "<td>20 %</td><td>no</td>"):
        assert words in report
    assert "data:image/png" not in report and report.count("<svg") == 4  # all curves are drawn in the page
    assert report.count("wide (winner)") == 1 and "random networks</h2>" not in report
    card = card_text(Record.of(result))
    assert "## Race" in card and "it won a race" in card and r"failed: no \| room" in card


def test_the_main_comparison_is_that_of_the_race_whatever_random_networks_there_are(result):
    record = Record({"random": [{"test_accuracy": 0.1}], **result})
    titles = [one.title for one in comparisons_in(record)]
    assert titles == ["Race", "Comparison with random networks"]
