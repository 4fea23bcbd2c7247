"""`python -m kerasnas`: the command line."""

import sys

from kerasnas.cli import main

if __name__ == "__main__":
    sys.exit(main())
