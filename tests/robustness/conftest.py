"""Tests that kill, and tests that go on for long: `subjects.py` and `comparing.py` are theirs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
