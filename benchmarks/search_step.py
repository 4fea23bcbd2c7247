"""Time and memory of the search step: build, first step (tracing included), then later steps.

    python benchmarks/search_step.py                                  # 8 filters, 4 cells, batch 32, 32x32x3
    python benchmarks/search_step.py --filters 16 --cells 8 --batch 64 --threads 1

Prints one JSON line. Run it in a process of its own for each case; peak memory is the process's.
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="0: TensorFlow's own choice")
    arguments = parser.parse_args()
    if arguments.threads:
        tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
        tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)

    import kerasnas

    begin = time.perf_counter()
    space = kerasnas.DARTSSpace(arguments.filters, arguments.cells, arguments.nodes)
    search = kerasnas.BilevelTrainer(space.build_supernet(input_shape=(32, 32, 3), num_classes=10))
    search.compile()
    rng = np.random.default_rng(0)

    def batch() -> tuple:
        return rng.random((arguments.batch, 32, 32, 3), "float32"), rng.integers(10, size=arguments.batch)

    pair = (batch(), batch())
    iterator = iter(tf.data.Dataset.from_tensors(pair).repeat())
    search._symbolic_build(data_batch=pair)
    search.make_train_function()
    step = search.train_function
    built = time.perf_counter()
    float(step(iterator)["loss"])
    first = time.perf_counter()

    wall, cpu = [], []
    for _ in range(arguments.steps):
        before = time.perf_counter(), time.process_time()
        float(step(iterator)["loss"])
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    print(
        json.dumps(
            {
                **vars(arguments),
                "build_s": round(built - begin, 2),
                "first_step_s": round(first - built, 2),
                "step_wall_ms": round(1e3 * float(np.median(wall)), 1),
                "step_cpu_ms": round(1e3 * float(np.median(cpu)), 1),
                "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
