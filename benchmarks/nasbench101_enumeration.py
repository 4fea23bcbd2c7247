"""Time to enumerate the 423,624 cells of NAS-Bench-101 on one core.

    OMP_NUM_THREADS=1 python benchmarks/nasbench101_enumeration.py

Prints the number of cells for each number of vertices, and the CPU and wall time in seconds.
"""

import time

import numpy as np

from kerasnas.spaces import NASBench101Space


def main() -> None:
    clock, processor = time.perf_counter(), time.process_time()
    cells = NASBench101Space().enumerate_cells()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    for vertices, count in enumerate(np.bincount(cells.vertices)):
        if count:
            print(f"{vertices} vertices: {count:>9,}")
    print(f"all cells:  {len(cells.vertices):>9,} in {processor:.2f} s of one core ({clock:.2f} s by the clock)")


if __name__ == "__main__":
    main()
