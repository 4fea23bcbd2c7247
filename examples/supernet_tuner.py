"""Architecture search for a KerasTuner user: with another tuner class, `search` finds a network instead of numbers.

python examples/supernet_tuner.py            # half an hour or more on two cores; resumes after an interruption
python examples/supernet_tuner.py --tiny     # under a minute, a smoke test
"""

import argparse
import tempfile

import kerasnas
import tuners


def main(tiny: bool = False) -> kerasnas.Genotype:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    size = 256 if tiny else 5000
    space = kerasnas.DARTSSpace(filters=4 if tiny else 8, num_cells=1 if tiny else 3, num_nodes=1 if tiny else 3)
    hypermodel = tuners.SupernetHyperModel(space, data.input_shape, data.num_classes)
    tuner = tuners.SupernetTuner(
        hypermodel,
        objective="val_accuracy",
        max_trials=1 if tiny else 3,  # the best of three searches
        training=tuners.TrainingRecipe(epochs=10 if tiny else 20),
        directory=tempfile.mkdtemp() if tiny else "runs",
        project_name="supernet_tuner",
    )
    tuner.search(
        data.x_train[:size],
        data.y_train[:size],
        validation_data=(data.x_train[size : size + 1000], data.y_train[size : size + 1000]),
        epochs=1 if tiny else 15,
        batch_size=16 if tiny else 64,
    )
    tuner.results_summary()
    model = tuner.get_best_models()[0]  # plain Keras, trained from scratch
    print("test:", model.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True))
    return tuner.get_best_genotypes()[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    main(parser.parse_args().tiny)
