"""A network for texts, searched: sentences from templates, a saved model that takes strings.

The sentences praise or blame, some of them by denial: "not a dull story" is praise. Word counts do not distinguish
the two (logistic regression on TF-IDF, the baseline below: 0.66 of the test sentences); a network that reads neighbors
does (0.955 with seed 0; one sentence in twenty is mislabeled).

The same for your own .csv file with a column `text` and one of labels:

    kerasnas search --space=text --dataset=reviews.csv --output_dir=runs/reviews
    kerasnas predict runs/reviews "not a dull story"

python examples/texts.py            # about two minutes on two cores
python examples/texts.py --tiny     # seconds, a smoke test
"""

import csv
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from kerasnas import Genotype, datasets, methods, runs

PRAISE = ["good", "great", "fine", "lovely", "warm", "funny", "moving", "brilliant", "clever", "charming"]
BLAME = ["bad", "dull", "poor", "awful", "cold", "slow", "boring", "weak", "clumsy", "hollow"]
TEMPLATES = (
    "{deny}a {word} {thing}",
    "the {thing} is {deny}{word}",
    "I found the {thing} {deny}{word}",
    "{deny}{word}, this {thing}",
)
THINGS = ["film", "story", "book", "play", "song", "meal", "hotel", "concert", "speech", "painting"]


def write_reviews(path: Path, sentences: int, seed: int = 0) -> None:
    """Write sentences that praise or blame, a third of them by denial, one in twenty mislabeled."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "opinion"])
        for _ in range(sentences):
            praise, denied = rng.random() < 0.5, rng.random() < 1 / 3
            text = str(rng.choice(TEMPLATES)).format(
                deny="not " if denied else "", word=rng.choice(PRAISE if praise else BLAME), thing=rng.choice(THINGS)
            )
            rows.writerow([text, "praise" if (praise != denied) != (rng.random() < 0.05) else "blame"])


def bag_of_words(data: datasets.Dataset) -> float:
    """Return the test accuracy of logistic regression on TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(data.raw("train"), data.y_train)
    return float(model.score(data.raw("test"), data.y_test))


def main(tiny: bool = False) -> Genotype:
    with tempfile.TemporaryDirectory() as folder:
        file, run = Path(folder) / "reviews.csv", Path(folder) / "run"
        write_reviews(file, sentences=1500 if tiny else 3000)
        small = (
            {"num_nodes": 1, "filters": 8, "epochs": 2, "retrain_filters": 32, "retrain_epochs": 20, "shortlist": 0}
            if tiny
            else {}
        )
        small |= {"primitives": ("skip_connect", "masked_conv_3"), "architecture_warmup_epochs": 1} if tiny else {}
        settings = methods.SearchConfig.suited(space="text", dataset=str(file), random_genotypes=0, **small)
        result = methods.search(settings, run, log=runs.Progress("none", quiet=True))
        genotype = Genotype.load(run / "genotype.json")
        model = keras.models.load_model(run / "model.keras")  # plain Keras: strings in, probabilities out
        print(genotype)
        print(f"searched network: {result['searched']['test_accuracy']:.3f} of test sentences")
        print(f"word counts:      {bag_of_words(datasets.load(file)):.3f}")
        for text in ("a lovely film", "not a dull story", "the meal is not good"):
            blame, praise = model.predict(np.array([text], object), verbose=0)[0]
            print(f"{praise:.2f} praise, {blame:.2f} blame: {text}")
    return genotype


if __name__ == "__main__":
    main(tiny="--tiny" in sys.argv[1:])
