"""Time to enumerate the 423,624 cells of NAS-Bench-101 on one core.

    OMP_NUM_THREADS=1 python benchmarks/nasbench101_enumeration.py

Prints the number of cells for each number of vertices, and the CPU and wall time in seconds.
"""

import time

import numpy as np
import skeleton
import tracked

from kerasnas.spaces import NASBench101Space


def main() -> None:
    arguments = skeleton.arguments(__doc__)
    clock, processor = time.perf_counter(), time.process_time()
    cells = NASBench101Space().enumerate_cells()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    shown = tracked.Table(["vertices", "cells", "CPU s", "wall s"])
    for vertices, count in enumerate(np.bincount(cells.vertices)):
        if count:
            shown.add([str(vertices), int(count), "", ""])
    shown.add(["all", len(cells.vertices), f"{processor:.2f}", f"{clock:.2f}"])
    code = ["kerasnas/spaces/nasbench101.py", "kerasnas/spaces/nasbench101_cells.py"]
    tracked.record(arguments, shown.rows, code=code)


if __name__ == "__main__":
    main()
