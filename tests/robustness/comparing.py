"""Two folders with results of the same work, one of them interrupted: what is missing, differs, is left over."""

import io
import json
import zipfile

import h5py
import numpy as np

from kerasnas.export import savedmodel

# What no two runs have in common: times, what follows from them, how often something was saved, and the size of a file
# in which layers have numbers, of which a process that builds fewer networks gives out smaller ones.
TIMES = {
    *("seconds", "spent", "cost", "step_seconds", "latency_ms", "peak_memory_gib", "command", "directory", "display"),
    "secret",
    *("longest", "checksum", "bytes", "events", "text"),  # the last four also of what seals say of other files
}
UNORDERED = "savedmodel"  # TensorFlow writes its parts in an order that is another one in each process
BEFORE = ".previous."  # files with the state before the last one
PAGES = {".png": b"IEND\xaeB`\x82", ".html": b"</html>\n"}  # whole, if they end so: their contents tell of times


def files(folder):
    """The files of results in a folder, without those that hold an earlier state."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and BEFORE not in path.name]
    return {str(path.relative_to(folder)): path for path in paths}


def compare(folder, whole):
    """`(missing, different, left)`: names of files that `folder` lacks, that differ, and that `whole` does not have."""
    mine, other = files(folder), files(whole)
    different = [name for name in sorted(set(mine) & set(other)) if not same(mine[name], other[name], whole, folder)]
    if any(UNORDERED in path.parts for path in other.values()) and not answers_agree(folder, whole):
        different.append(UNORDERED)
    return sorted(set(other) - set(mine)), different, sorted(set(mine) - set(other))


def same(path, other, whole, folder):
    """Whether both files say the same, to the last bit, but for times; a page is to be whole."""
    if path.suffix in PAGES:
        return path.read_bytes().endswith(PAGES[path.suffix])
    if path.suffix == ".md" or UNORDERED in path.parts:
        return path.stat().st_size > 0
    first, second = contents(path), contents(other)
    return str(first).replace(str(folder), "") == str(second).replace(str(whole), "")


def answers_agree(folder, whole):
    """Whether the exported models whose files cannot be compared answer the same."""
    x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    try:
        first, second = (savedmodel.load(one / UNORDERED).answers(x) for one in (folder, whole))
    except (OSError, ValueError):
        return False
    return np.allclose(first, second, atol=1e-6)


def contents(path):
    if path.suffix == ".json":
        return json.dumps(without_times(json.loads(path.read_text())), sort_keys=True)
    if path.suffix == ".npz":
        with np.load(path) as file:
            record = json.loads(file["__record__"].tobytes()) if "__record__" in file.files else {}
            arrays = {name: file[name].tobytes().hex() for name in sorted(file.files) if name != "__record__"}
        return without_times(record), arrays
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as file:
            return weights(file.read("model.weights.h5"))
    if path.suffix == ".h5":
        return weights(path.read_bytes())
    return path.read_bytes()


def weights(data):
    found = {}

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item[()]).tobytes().hex()

    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(add)
    assert found
    return found


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if name not in TIMES}
    return [without_times(one) for one in value] if isinstance(value, list) else value
