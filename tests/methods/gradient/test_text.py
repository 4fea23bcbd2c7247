"""A whole run on texts and on recordings by the command line: strings and sound go into what is saved."""

import json
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasnas import cli
from kerasnas.datasets import load, waveforms
from kerasnas.deployment import evaluate
from kerasnas.deployment import predictions as deployment
from kerasnas.files.stages import Stages
from kerasnas.methods import SearchConfig, TrainingConfig
from kerasnas.methods.final_training import check_starts, companion_sizes
from kerasnas.modalities.fronts import Vocabulary
from kerasnas.modalities.lookup import modality
from tests.kit import word_vectors_package

SEARCH = [
    *("--num_nodes=1", "--filters=4", "--num_cells=1", "--batch_size=16", "--epochs=1", "--random_genotypes=0"),
    *("--architecture_warmup_epochs=0", "--shortlist=0", "--retrain_filters=4", "--retrain_cells=1"),
    *("--retrain_epochs=6", "--retrain_batch_size=16"),
]
GOOD, BAD = ["good", "great", "fine", "lovely", "warm"], ["bad", "dull", "poor", "awful", "cold"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = []
    for index in range(200):
        word = rng.choice(GOOD if index % 2 else BAD)
        rows.append(f"the {rng.choice(['film', 'book', 'play'])} was {word},{('no', 'yes')[index % 2]}")
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    path.write_text("\n".join(["text,liked", *rows]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(reviews, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "text"
    space = ["--space=text", "--primitives=skip_connect,gru"]
    assert cli.main(["search", str(reviews), *space, *SEARCH, f"--output_dir={folder}"]) == 0
    return folder


@pytest.mark.slow
def test_whole_run(run):
    result = json.loads((run / "result.json").read_text())
    assert result["dataset"]["front"] == {"name": "vocabulary", "words": 15, "length": 4, "split": "words"}
    assert result["genotype"]["space"] == "text" and result["settings"]["augment"] == ["drop_words"]
    assert result["searched"]["test_accuracy"] > 0.6
    used = result["searched"]["linear"]["network"]["used"]
    assert (result["searched"]["macs"] > 0) == used  # alone, a linear model multiplies nothing that is counted
    assert json.loads((run / "model.json").read_text())["front"]["name"] == "vocabulary"
    assert result["searched"]["linear"]["longest"] == 2 and result["searched"]["linear"]["samples"] == 40
    card = (run / "card.md").read_text()
    assert "linear model on runs of up to 2 tokens | held-out loss (40 texts): " in card
    assert "A Keras text classifier." in card and "a text" in card
    assert "image" not in card.replace("image_size", "").replace("image_fit", "")


@pytest.mark.slow
def test_the_saved_model_takes_strings(run):
    with zipfile.ZipFile(run / "model.keras") as file:
        assert b"kerasnas" not in file.read("config.json")
    model = keras.models.load_model(run / "model.keras")
    answers = model.predict(np.array(["the film was good", "The BOOK was dull!", ""], object), verbose=0)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    found = evaluate(run)
    assert found["samples"] == 40
    assert found["accuracy"] == pytest.approx(
        json.loads((run / "result.json").read_text())["searched"]["test_accuracy"]
    )


@pytest.mark.slow
def test_predictions(run, tmp_path, capsys):
    file = tmp_path / "new.txt"
    file.write_text("the film was great\n\nthe play was awful\n", encoding="utf-8")
    assert cli.main(["predict", str(run), "the book was warm", str(file), "--format=json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert cli.main(["predict", str(run), str(tmp_path / "none.txt")]) == 2
    assert cli.main(["predict", str(run), str(tmp_path)]) == 2
    assert "The network takes texts: in quotes, or a .txt file" in capsys.readouterr().err


@pytest.mark.slow
def test_drift_of_texts_is_told(run, tmp_path, capsys):
    rng = np.random.default_rng(1)
    usual = [f"the {rng.choice(['film', 'book', 'play'])} was {rng.choice(GOOD + BAD)}" for _ in range(60)]
    (tmp_path / "usual.txt").write_text("\n".join(usual), encoding="utf-8")
    (tmp_path / "loud.txt").write_text("\n".join(usual).upper(), encoding="utf-8")
    assert cli.main(["monitor", str(run), str(tmp_path / "usual.txt")]) == 0
    assert "60 texts. No drift" in capsys.readouterr().out
    assert cli.main(["monitor", str(run), str(tmp_path / "loud.txt")]) == 0
    out = capsys.readouterr().out
    assert "Drift: the inputs changed." in out and "share of capitals: 0 on average before, 0.8" in out
    assert cli.main(["monitor", str(run), "a text", "--adapt"]) == 2
    assert "Networks of texts cannot be adapted" in capsys.readouterr().err


@pytest.mark.slow
def test_other_data_are_refused(run):
    with pytest.raises(ValueError, match=r"The network takes texts\. Received fashion_mnist_mini"):
        evaluate(run, "fashion_mnist_mini")


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_retrain_takes_the_size_and_the_recipe_of_the_run(run, reviews, tmp_path):
    folder = tmp_path / "again"
    command = ["retrain", f"--genotype={run}", f"--dataset={reviews}", "--retrain_epochs=1", "--ngrams=0"]
    assert cli.main([*command, f"--output_dir={folder}"]) == 0
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert settings["retrain_filters"] == 4 and settings["augment"] == ["drop_words"]
    assert "linear" not in json.loads((folder / "result.json").read_text())["searched"]


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    path, data = tmp_path_factory.mktemp("data") / "tiny.npz", waveforms(train_samples=24, test_samples=12, length=16)
    arrays = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    np.savez(path, **arrays, classes=data.classes, kind="signals")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space=darts"], "Space 'darts' takes images, and reviews.csv holds texts, of shape (4,). Add --space=text"),
        (["--space=text", "--dataset=fashion_mnist_mini"], "'text' takes texts, and fashion_mnist_mini holds images"),
        (["--space=text", "--augment=flip"], "drop_words, or nothing, for the texts of reviews.csv. Received: flip"),
        (["--dataset=fashion_mnist_mini", "--space=darts", "--augment=drop_words"], "mnist_mini. Received: drop_words"),
        (["--space=text", "--ngrams=-2"], "Invalid value received for flag --ngrams. Expected at least -1"),
        (["--space=text", "--target=like"], "Did you mean 'liked'?"),
        (["--space=text", "--task=regression"], "Expected numbers in column 'liked'"),
        (["--space=signals", "WAVES", "--kernels=83"], "--kernels. Expected -1, 0, or at least 84. Received: 83"),
        (
            ["--space=signals", "WAVES", "--augment=shift,cutout"],
            "Expected shift, or nothing, for the signals of tiny. Received: shift, cutout",
        ),
        (
            ["--space=nasbench201", "WAVES"],
            "takes images, and tiny holds signals, of shape (16, 1). Add --space=signals",
        ),
        (
            ["--space=signals", "--dataset=fashion_mnist_mini"],
            "takes signals, and fashion_mnist_mini holds images, of shape (28, 28, 1)",
        ),
    ],
)
def test_what_does_not_fit_is_reported(reviews, waves, arguments, message, tmp_path, capsys):
    arguments = [f"--dataset={waves}" if one == "WAVES" else one for one in arguments]
    data = [] if any(one.startswith("--dataset") for one in arguments) else [f"--dataset={reviews}"]
    assert cli.main(["search", *data, *SEARCH, *arguments, f"--output_dir={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err


def test_defaults_of_a_space_give_way_to_what_is_given():
    assert SearchConfig.suited(space="text").retrain_cells == 1
    assert SearchConfig.suited(space="text", retrain_cells=3).retrain_cells == 3
    assert TrainingConfig.suited() == TrainingConfig()


def test_a_linear_model_stands_beside_networks_of_texts_alone():
    images = load("fashion_mnist_mini")
    assert companion_sizes(TrainingConfig(), images)["ngrams"] == 0
    with pytest.raises(ValueError, match=r"0, or nothing, for the images of fashion_mnist_mini\. Received: 2"):
        companion_sizes(TrainingConfig(ngrams=2), images)


@pytest.mark.parametrize(("asked", "split", "longest"), [(-1, "words", 2), (-1, "characters", 4), (0, "words", 0)])
def test_the_longest_runs_are_those_of_the_vocabulary(asked, split, longest):
    data = SimpleNamespace(front=Vocabulary(["a", "b"], 4, split), modality=modality("texts"), x_train=[], name="some")
    assert companion_sizes(TrainingConfig(ngrams=asked), data)["ngrams"] == longest


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("kind", "flags", "shape", "said"),
    [
        ("recordings", ["--space=nasbench201", "--primitives=skip_connect,nor_conv_3x3"], (800,), ()),
        (
            "signals",
            ["--space=signals", "--primitives=skip_connect,conv_3", "--kernels=84"],
            (800, 1),
            ("84 random kernels | held-out loss (8 sig",),
        ),
    ],
)
def test_recordings_and_series(kind, flags, shape, said, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    pitch = np.where(labels, 300, 1500) * rng.uniform(0.9, 1.1, 48)
    sound = np.sin(2 * np.pi * pitch[:, None] * np.arange(800) / 4000) + 0.1 * rng.standard_normal((48, 800))
    path = tmp_path / "tones.npz"
    arrays = {"x_train": sound[:32], "y_train": labels[:32], "x_test": sound[32:], "y_test": labels[32:]}
    np.savez(
        path, **{key: a.astype("float32") if key[0] == "x" else a for key, a in arrays.items()}, kind=kind, rate=4000
    )
    folder = tmp_path / "run"
    assert cli.main(["search", str(path), *flags, *SEARCH, "--retrain_epochs=2", f"--output_dir={folder}"]) == 0
    classifier = deployment.finished(folder)
    assert classifier.modality.name == kind and classifier.input_shape == shape
    assert classifier.answers(arrays["x_test"].astype("float32").reshape(16, *shape)).shape == (16, 2)
    assert evaluate(folder)["accuracy"] == json.loads((folder / "result.json").read_text())["searched"]["test_accuracy"]
    card = (folder / "card.md").read_text()
    assert f"A Keras {classifier.modality.singular} classifier." in card and all(part in card for part in said)


@pytest.fixture
def unseen(tmp_path):
    """Reviews whose opinions are of other words in the test than in the training."""
    rows = ["text,liked,split"]
    for index in range(240):
        words, part = ((GOOD, BAD)[index % 2], "train" if index < 200 else "test")
        word = words[index // 2 % 3] if part == "train" else words[3 + index // 2 % 2]
        rows.append(f"the {('film', 'book', 'play')[index % 3]} was {word},{('yes', 'no')[index % 2]},{part}")
    path = tmp_path / "unseen.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_run_with_word_vectors(unseen, tmp_path, monkeypatch, capsys):
    """Words that only the test has are known by the vectors."""
    command = ["search", str(unseen), "--space=text", "--primitives=skip_connect,gru", *SEARCH, "--retrain_epochs=1"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main([*command, "--starts=wordllama", f"--output_dir={tmp_path / 'none'}"]) == 2
    assert "No pretrained word vectors are installed: pip install 'kerasnas[texts]'" in capsys.readouterr().err
    monkeypatch.undo()
    package = tmp_path / "package"
    noise = np.random.default_rng(0).standard_normal((10, 4)) / 4
    meaning = [[2, 0, 0, 0]] * 5 + [[-2, 0, 0, 0]] * 5
    word_vectors_package(package, dict(zip(GOOD + BAD, meaning + noise, strict=True)))
    monkeypatch.syspath_prepend(str(package))
    folder = tmp_path / "run"
    assert cli.main([*command, f"--output_dir={folder}"]) == 0
    out = capsys.readouterr().out
    assert "Pretrained word vectors: wordllama 0.4.0 (MIT License)" in out
    assert "pretrained word vectors: used, cross-validated loss" in out
    result = json.loads((folder / "result.json").read_text())
    assert result["searched"]["test_accuracy"] == 1 and result["searched"]["linear"]["pretrained"]["used"]
    assert result["dataset"]["front"]["vectors"] == "wordllama 0.4.0"
    card = (folder / "card.md").read_text()
    assert "wordllama 0.4.0 (MIT License), made of token embeddings of Llama 2" in card
    assert "| pretrained word vectors | used; loss" in card
    model = keras.models.load_model(folder / "model.keras")
    assert model.predict(np.array(["lovely", "awful"], object), verbose=0).argmax(axis=1).tolist() == [1, 0]


def test_a_run_resumes_with_the_vectors_that_it_started_with(tmp_path):
    stages, none = Stages(tmp_path), SimpleNamespace(front=SimpleNamespace(source={}))
    some = SimpleNamespace(front=SimpleNamespace(source={"vectors": "wordllama 0.4.0"}))
    check_starts(stages, none)
    assert not (tmp_path / "stages").exists()
    check_starts(stages, some)
    check_starts(stages, none)  # nothing is done yet: it starts again
    check_starts(stages, some)
    stages.finish("search", {})
    check_starts(stages, some)
    with pytest.raises(ValueError, match=r"started with wordllama 0.4.0, and would resume with no vectors of words"):
        check_starts(stages, none)
