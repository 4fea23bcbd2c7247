"""One program as chief and workers: each worker trains networks, the chief decides which.

In one process it is an ordinary search:

python examples/chief_and_workers.py            # some minutes on two cores
python examples/chief_and_workers.py --tiny     # under a minute, a smoke test

With KerasTuner's environment variables it runs in several processes with the same `--directory`
(`pip install 'kerasnas[distributed]'`):

export KERASTUNER_ORACLE_IP=127.0.0.1 KERASTUNER_ORACLE_PORT=8000
KERASTUNER_TUNER_ID=chief python examples/chief_and_workers.py --directory=runs/chief &
KERASTUNER_TUNER_ID=worker-1 python examples/chief_and_workers.py --directory=runs/chief &
KERASTUNER_TUNER_ID=worker-2 python examples/chief_and_workers.py --directory=runs/chief

Kill any of them: the other worker runs a lost trial again after 30 seconds, and the chief resumes when it is
restarted. After the last trial all processes end, with the best genotype.
"""

import argparse
import os
import tempfile

import kerasnas
import tuners


def main(tiny: bool = False, directory: str | None = None) -> kerasnas.Genotype:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    space = kerasnas.DARTSSpace(filters=8 if tiny else 16, num_cells=2 if tiny else 3, num_nodes=1 if tiny else 3)
    hypermodel = tuners.GenotypeHyperModel(space, data.input_shape, data.num_classes)
    oracle = tuners.PredictorOracle(space, "val_accuracy", max_trials=2 if tiny else 20, lease=30)
    tuner = tuners.GenotypeTuner(
        hypermodel, oracle=oracle, directory=directory or tempfile.mkdtemp(), project_name="chief_and_workers"
    )
    fit = {"validation_split": 0.2, "epochs": 10 if tiny else 3, "batch_size": 16 if tiny else 32, "verbose": 2}
    tuner.search(data.x_train[:size], data.y_train[:size], **fit)
    best = tuner.oracle.get_best_trials()[0]
    print(f"{os.environ.get('KERASTUNER_TUNER_ID', 'alone')}: trial {best.trial_id} is the best, {best.score:.4f}")
    return hypermodel.genotype(best.hyperparameters)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    parser.add_argument("--directory", help="of the project; the same one for chief and workers")
    arguments = parser.parse_args()
    print(main(arguments.tiny, arguments.directory))
