"""Planning: a searched network learns to walk through mazes, and then walks through larger ones.

The mazes are generated; the label of an image is the first move of a shortest path. Networks of the planning space
apply one cell many times with the same weights, which also fit a network for larger worlds that applies it more often.

After 1.5 CPU minutes of search and training, such a network solves 98.5 % of unseen 11x11 mazes, 95 % of 15x15 mazes
with 22 iterations, and 91 % of 19x19 mazes with 28 (74 % with the 16 of its training; means over three seeds,
`benchmarks/planning.py`). A CNN read at the agent's place, trained for as long, solves 73, 46 and 30 %.

python examples/planning.py                    # about three minutes on two cores
python examples/planning.py --kind=obstacles   # walls drawn cell by cell
python examples/planning.py --tiny             # seconds, a smoke test
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

import kerasnas
from kerasnas.spaces import PlanningSpace


def main(tiny: bool = False, kind: str = "maze", minutes: float = 1.5, seed: int = 0) -> kerasnas.Genotype:
    size, larger = (5, 7) if tiny else (11, 15)
    samples = (200, 100) if tiny else (5000, 1000)
    data = kerasnas.datasets.mazes(*samples, size, kind)

    with tempfile.TemporaryDirectory() as folder:
        # The same for mazes of 11 x 11: kerasnas search --space=planning --dataset=mazes --cpu_minutes=1.5
        arrays = {name: getattr(data, name) for name in ("x_train", "y_train", "x_test", "y_test", "classes")}
        np.savez(Path(folder, "mazes.npz"), **arrays)
        settings = kerasnas.methods.RaceConfig(
            dataset=f"{folder}/mazes.npz", space="planning", cpu_minutes=0.2 if tiny else minutes, seed=seed
        )
        kerasnas.methods.search(settings, Path(folder, "run"))
        genotype = kerasnas.Genotype.load(Path(folder, "run", "genotype.json"))
        network = keras.models.load_model(Path(folder, "run", "model.keras"))
    print(genotype)

    rollouts = kerasnas.datasets.roll_out(network, data.x_test)
    print(f"{size}x{size}: {rollouts.success_rate:.3f} arrive, by {rollouts.length_ratio:.2f} times the shortest path")

    space = PlanningSpace.for_data(data.input_shape, data.num_classes, len(data.x_train))
    worlds = kerasnas.datasets.mazes(1, 100 if tiny else 500, larger, kind, seed=1)
    usual = int(space.assignment(genotype)["iterations"])
    for iterations in dict.fromkeys((usual, round(usual * larger / size))):
        other = space.transfer(network, genotype, worlds.input_shape, iterations)
        rollouts = kerasnas.datasets.roll_out(other, worlds.x_test)
        print(f"{larger}x{larger}, {iterations} iterations: {rollouts.success_rate:.3f} arrive")
    return genotype


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="maze", choices=("maze", "obstacles"))
    parser.add_argument("--minutes", type=float, default=1.5, help="CPU minutes of the search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="smallest setting, a smoke test")
    arguments = parser.parse_args()
    main(arguments.tiny, arguments.kind, arguments.minutes, arguments.seed)
