"""Wrong files: each format that is read, with everything that can be wrong with a file, answers in one clear line."""

import collections
import shutil
import zlib

import numpy as np
import pytest

from tests import file_formats
from tests.file_formats import FORMATS

FLIPS = 8  # damages at random places of each file
QUICK = 0.1  # share of the cases of a format that the quick test tries, besides those of any format

ACCEPTED: dict[str, str] = {}
"""Format, and what is wrong with it: why it is read all the same. This list may only become shorter."""


def cases(name, folder, rng, flips, share=1.0):
    """(what is wrong, outcome, words) of a format."""
    form = FORMATS[name]
    folder.mkdir(parents=True)
    whole = folder / "whole"
    whole.mkdir()
    path = form.write(whole)
    form.read(path)  # as it is, it is read
    kept = folder / "kept"
    whole.rename(kept)
    shutil.copytree(kept, whole)
    every = [*file_formats.json_damages(path, form), *file_formats.array_damages(path, form.free)]
    chosen = [one for one in every if share == 1 or rng.random() < share]
    wrong = [*file_formats.whole_file_damages(path, form.optional), *chosen, *file_formats.flips(path, rng, flips)]
    for what, damage in wrong:
        shutil.rmtree(whole)
        shutil.copytree(kept, whole)
        damage()
        yield (what, *file_formats.outcome(lambda: form.read(path), what.startswith(file_formats.HARMLESS)))


def campaign(folder, flips, share, seed=0):
    """Counts of outcomes by format, and the cases that are neither clear nor harmless."""
    table, bad = {}, {}
    for name in FORMATS:
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        counts = collections.Counter()
        print(name, flush=True)
        for what, found, words in cases(name, folder / str(len(table)), rng, flips, share):
            counts[found] += 1
            if found not in ("clear", "harmless"):
                bad[f"{name}: {what}"] = (found, words)
        table[name] = counts
    return table, bad


def as_text(table):
    """The table of a campaign."""
    kinds = ("clear", "harmless", "raw", "accepted", "hung")
    rows = [(name, counts.total(), *(counts[kind] for kind in kinds)) for name, counts in table.items()]
    rows.append(("all", *(sum(row[index] for row in rows) for index in range(1, 7))))
    head = f"{'':<32}{'tried':>7}" + "".join(f"{kind:>10}" for kind in kinds)
    return "\n".join([head, *(f"{row[0]:<32}{row[1]:>7}" + "".join(f"{one:>10}" for one in row[2:]) for row in rows)])


def check(table, bad):
    print(as_text(table))
    raw = {case: words for case, (found, words) in bad.items() if found != "accepted"}
    assert not raw, raw
    accepted = {case for case, (found, _) in bad.items() if found == "accepted"}
    assert accepted <= set(ACCEPTED), accepted - set(ACCEPTED)
    return accepted


def test_wrong_files_are_told_in_one_line(tmp_path):
    check(*campaign(tmp_path, flips=2, share=QUICK))


@pytest.mark.slow
def test_every_wrong_file_is_told_in_one_line(tmp_path):
    accepted = check(*campaign(tmp_path, flips=FLIPS, share=1.0))
    assert set(ACCEPTED) <= accepted, set(ACCEPTED) - accepted  # what is refused by now leaves the list
