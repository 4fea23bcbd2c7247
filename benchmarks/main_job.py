"""The main job for several seeds: test accuracy, parameters, time and peak memory.

    python benchmarks/main_job.py --output_dir=runs/main_job            # seeds 0, 1, 2; a quarter of an hour
    python benchmarks/main_job.py --output_dir=runs/cifar --seeds 0 --dataset=/path/to/cifar10_mini.npz
    python benchmarks/main_job.py --output_dir=runs/cells --space=darts  # with the random networks trained beside it

Every seed runs as `kerasnas search` in a process of its own. Finished runs in the folder are not run again.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import skeleton
import tracked


def main() -> None:
    output, seeds = {"type": Path, "required": True}, {"type": int, "nargs": "+", "default": [0, 1, 2]}
    arguments, rest = skeleton.arguments(__doc__, rest=True, output_dir=output, seeds=seeds)
    rows = []
    for seed in arguments.seeds:
        folder = arguments.output_dir / f"seed-{seed}"
        if not (folder / "result.json").exists():
            begin = time.perf_counter()
            command = [sys.executable, "-m", "kerasnas", "search", f"--seed={seed}", f"--output_dir={folder}"]
            subprocess.run([*command, *rest], check=True)
            (folder / "wall_seconds.json").write_text(json.dumps(time.perf_counter() - begin))
        result = json.loads((folder / "result.json").read_text())
        race = result.get("race")
        others = [other["test_accuracy"] for other in result["random"]]
        rows.append(
            {
                "seed": seed,
                "test_accuracy": result["searched"]["test_accuracy"],
                "parameters": result["searched"]["parameters"],
                **({"winner": race["winner"], "networks": len(race["contestants"])} if race else {}),
                **({"random_mean": statistics.mean(others), "random": others} if others else {}),
                "wall_s": round(json.loads((folder / "wall_seconds.json").read_text())),
                "peak_memory_gib": result["environment"]["peak_memory_gib"],
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    for name in ("test_accuracy", "random_mean"):
        values = [row[name] for row in rows if name in row]
        if values:
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            print(f"{name} {statistics.mean(values):.4f} +- {spread:.4f}")
    kept = ("seed", "test_accuracy", "parameters", "winner", "random_mean", "wall_s", "peak_memory_gib")
    shown = [{name: row[name] for name in kept if name in row} for row in rows]
    tracked.record(arguments, shown, code=["kerasnas/methods", "kerasnas/racing", "kerasnas/training"], runs=rows)


if __name__ == "__main__":
    main()
