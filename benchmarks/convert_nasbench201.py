"""Make the compact table of NAS-Bench-201 from the official files, once.

    pip install nats_bench
    python benchmarks/convert_nasbench201.py NATS-tss-v1_0-3ffb9-simple nasbench201.npz

The official files are pickles: only their own package opens them, in this script, never KerasNAS itself.
"""

import argparse

from kerasnas.tabular.nasbench201 import convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the unpacked folder of the official topology benchmark (NATS-tss-...-simple)")
    parser.add_argument("destination", help="the .npz file to write")
    arguments = parser.parse_args()
    from nats_bench import create

    convert(create(arguments.source, "tss", fast_mode=True, verbose=False), arguments.destination)


if __name__ == "__main__":
    main()
