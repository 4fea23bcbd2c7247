"""KerasTuner on an architecture space: any of its tuners searches genotypes.

python examples/keras_tuner_search.py            # some minutes on two cores
python examples/keras_tuner_search.py --tiny     # under a minute, a smoke test
"""

import argparse
import tempfile

import keras_tuner

import kerasnas
import tuners


def main(tiny: bool = False) -> kerasnas.Genotype:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else len(data.x_train)
    space = kerasnas.DARTSSpace(filters=8 if tiny else 16, num_cells=2 if tiny else 3, num_nodes=1 if tiny else 3)
    hypermodel = tuners.GenotypeHyperModel(space, data.input_shape, data.num_classes)
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_accuracy", max_trials=2 if tiny else 5, directory=tempfile.mkdtemp(), seed=1
    )
    fit = {"validation_split": 0.2, "epochs": 10 if tiny else 3, "batch_size": 16 if tiny else 32, "verbose": 2}
    tuner.search(data.x_train[:size], data.y_train[:size], **fit)
    genotype = hypermodel.genotype(tuner.get_best_hyperparameters()[0])
    print(genotype)
    print("test:", tuner.get_best_models()[0].evaluate(data.x_test, data.y_test, verbose=0, return_dict=True))
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
