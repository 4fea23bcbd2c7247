"""One worker of a search on several processes, which TF_CONFIG describes, or a search on one device without it.

Writes its variables and metrics.

python tests/distribution/run_worker.py OUT.npz [--folder=CHECKPOINTS] [--epochs=N] [--die=EPOCH,STEP,SIGNAL] [--meta]
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from kerasnas.distribution import resolve_strategy

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--folder")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--die", help="epoch, step and signal at which this worker ends itself")
    parser.add_argument("--meta", action="store_true", help="a meta-training instead of a search")
    options = parser.parse_args()

    import keras
    import numpy as np

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    strategy = resolve_strategy("multi_worker" if os.environ.get("TF_CONFIG") else "cpu", timeout=60)

    from meta_scenarios import LEARNERS, Images
    from searching import images, make_search, result

    from kerasnas.callbacks import SearchCheckpoint

    class Die(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            epoch, step, signal = map(int, options.die.split(","))
            if (self.epoch, batch) == (epoch, step):
                print(f"signal {signal} in epoch {epoch}, step {step}", flush=True)
                os.kill(os.getpid(), signal)

    callbacks = [Die()] if options.die else []
    if options.meta:
        with strategy.scope():
            learner = LEARNERS["maml"]()
        learner.compile()
        history = learner.fit(Images(seed=3), steps=3, tasks=4, verbose=0, callbacks=callbacks)
        found = {"variables": [np.array(v) for v in learner.variables]}
        found["logs"] = [np.array(history.history[name]) for name in sorted(history.history)]
    else:
        search = make_search(strategy, synchronized_batch_norm=True)
        start = 0
        if options.folder:
            keeper = SearchCheckpoint(options.folder)
            start = keeper.restore(search)
            callbacks.append(keeper)
            print(f"starts at epoch {start}, after {keeper.steps_done} steps", flush=True)
        x, y = images(160)
        history = search.fit(
            x, y, batch_size=8, epochs=options.epochs, initial_epoch=start, verbose=0, callbacks=callbacks
        )
        found = result(search, history)
        if not options.folder:
            scores = search.evaluate(x[:32], y[:32], batch_size=8, verbose=0, return_dict=True)
            found["scores"] = [np.array(scores[name]) for name in ("loss", "accuracy")]
    arrays = {f"{group}-{index:03d}": a for group, own in found.items() for index, a in enumerate(own)}
    np.savez(options.out, **arrays)
    print("finished", flush=True)


if __name__ == "__main__":
    main()
