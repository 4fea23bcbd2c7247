"""The package's rules, read from its source: imports point one way, backends stay in their rooms."""

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerasnas.backend import keras_internals
from tuners import keras_tuner_internals

ROOT = Path(__file__).parents[1]

# Each level may import from itself and from those above it. A new module enters here.
LEVELS = [
    {
        "annotations",
        *("checks", "registry", "genotypes", "files", "intervals", "pareto"),
        *("backend", "distribution", "executors"),
    },
    {"primitives", "relaxations", "tasks"},
    {"networks"},
    {"spaces"},
    {"cost", "datasets", "tabular", "callbacks"},
    {"proxies"},
    {"strategies", "trainers"},
    {"search"},  # the public face of both
    {"meta"},
    {"federated"},
    {"drift", "reporting", "export", "testing", "platforms"},
    {"companions"},
    {"training", "racing"},
    {"runs"},
    {"methods", "diagnostics"},
    {"deployment"},
    {"cli"},
]
LEVEL = {unit: index for index, units in enumerate(LEVELS) for unit in units}

# Where a package may be imported, as beginnings of paths.
ROOMS = {
    "tensorflow": (
        *("kerasnas/backend/", "kerasnas/distribution/", "kerasnas/datasets/"),
        *("kerasnas/export/savedmodel.py", "kerasnas/export/litert.py"),
    ),
    "onnx": ("kerasnas/export/onnx.py",),
    "tf2onnx": ("kerasnas/export/onnx.py",),
    "onnxruntime": ("kerasnas/export/onnx.py",),
    "jax": ("kerasnas/backend/",),
    "matplotlib": ("kerasnas/reporting/",),
    "absl": ("kerasnas/cli/",),
    "optuna": ("kerasnas/platforms/optuna_study.py",),
    "tensorboard": ("kerasnas/platforms/tensorboard_log.py", "tuners/"),
    "ray": ("kerasnas/platforms/ray_tune.py", "kerasnas/platforms/ray_executor.py"),
    "mlflow": ("kerasnas/platforms/mlflow_run.py",),
    "sqlalchemy": ("kerasnas/platforms/mlflow_run.py",),
    "huggingface_hub": ("kerasnas/platforms/hub.py",),
    "wandb": ("kerasnas/platforms/wandb_run.py",),
    "flwr": ("kerasnas/federated/flower.py",),
    "yaml": ("kerasnas/cli/configuration.py",),
    "keras_tuner": ("tuners/",),
    "tuners": ("tuners/",),
    "pickle": (),
    "marshal": (),
    "shelve": (),
    "dill": (),
}

FILES = {
    path.relative_to(ROOT).as_posix(): path for top in ("kerasnas", "tuners") for path in (ROOT / top).rglob("*.py")
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
each_file = pytest.mark.parametrize("name", sorted(FILES))


def imports(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every imported dotted name, also inside functions, as a tuple of its parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            for alias in node.names:
                yield (*(node.module or "").split("."), alias.name)


def unit_of(name: str) -> str:
    """The module or package of the first level that a file belongs to; "" for the package's face."""
    parts = name.removesuffix(".py").split("/")
    return "" if parts[1] == "__init__" else parts[1]


def imported_units(tree: ast.AST) -> set[str]:
    """The units of kerasnas that a file imports. `from kerasnas import __version__` is none."""
    parts = [name for name in imports(tree) if name[0] == "kerasnas" and len(name) > 1]
    return {name[1] for name in parts if (ROOT / "kerasnas" / name[1]).is_dir() or f"kerasnas/{name[1]}.py" in FILES}


@each_file
def test_imports_point_one_way(name):
    if name.startswith("tuners/") or not unit_of(name):
        return  # tuners may import any layer; the package's face imports all
    own = unit_of(name)
    assert own in LEVEL, f"'{own}' has no level yet: add it to LEVELS"
    for unit in imported_units(TREES[name]):
        assert unit in LEVEL, f"'{unit}' has no level yet: add it to LEVELS"
        assert LEVEL[unit] <= LEVEL[own], f"{name} imports kerasnas.{unit}, which stands above it"


def test_units_have_no_cycle():
    graph: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        if name.startswith("kerasnas/") and unit_of(name):
            graph.setdefault(unit_of(name), set()).update(imported_units(tree) - {unit_of(name)})
    while graph:
        free = {unit for unit, below in graph.items() if not below & set(graph)}
        assert free, f"These import each other: {sorted(graph)}"
        graph = {unit: below for unit, below in graph.items() if unit not in free}


@each_file
def test_packages_stay_in_their_rooms(name):
    for parts in imports(TREES[name]):
        rooms = ROOMS.get(parts[0])
        assert rooms is None or name.startswith(rooms), f"{name} imports {'.'.join(parts)}; it belongs in {rooms}"


@each_file
def test_nothing_is_run_as_code(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"line {node.lineno}: {node.func.id}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False, f"line {node.value.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "safe_mode":
            assert not (isinstance(node.value, ast.Constant) and node.value.value is False), f"line {node.value.lineno}"


@each_file
def test_errors_are_not_swallowed(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: a bare except"


@each_file
def test_nothing_global_is_set(name):
    """No global seed and no global configuration; `testing` sets a dtype policy and sets it back."""
    forbidden = {"set_random_seed", "set_seed", "set_floatx", "set_epsilon", "set_image_data_format", "set_backend"}
    if unit_of(name) != "testing":
        forbidden |= {"set_dtype_policy", "set_global_policy"}
    for node in ast.walk(TREES[name]):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if not called:
            continue
        assert node.func.attr not in forbidden, f"line {node.lineno}: {ast.unparse(node.func)}"
        assert ast.unparse(node.func) not in ("random.seed", "np.random.seed"), f"line {node.lineno}"


@each_file
def test_public_names_have_docstrings(name):
    tree = TREES[name]
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"line {node.lineno}: {node.name} has no docstring"


# Methods of papers: their rooms, and files of them elsewhere
METHODS = (
    *("kerasnas/relaxations/", "kerasnas/trainers/", "kerasnas/primitives/mixed_op.py"),
    *("kerasnas/primitives/partial_mixed_op.py", "kerasnas/networks/supernet.py", "kerasnas/networks/derivation.py"),
    *("kerasnas/strategies/attention.py", "kerasnas/strategies/controller.py", "kerasnas/strategies/policies.py"),
    *("kerasnas/strategies/asha.py", "kerasnas/strategies/bananas.py", "kerasnas/strategies/bohb.py"),
    *("kerasnas/strategies/ehvi.py", "kerasnas/strategies/ensemble.py", "kerasnas/strategies/tpe.py"),
    *("kerasnas/spaces/darts.py", "kerasnas/spaces/enas.py", "kerasnas/spaces/enas_macro.py"),
    "kerasnas/spaces/proxyless.py",
)


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(METHODS)])
def test_methods_say_where_they_differ_from_their_papers(name):
    """A docstring that refers to a paper of a method (not to a textbook) has a list of the differences, or "None"."""
    for node in ast.walk(TREES[name]):
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            continue
        text = ast.get_docstring(node) or ""
        if "arXiv" in text.partition("Reference:\n")[2]:
            listed = re.search(
                r"^Differences from the paper:\n((?: {4}- \S.*\n?(?: {6}.*\n?)*)+)\Z", text, re.MULTILINE
            )
            assert listed, f"line {node.lineno}: {node.name} has no list 'Differences from the paper:' at its end"


# Private names of the libraries: one seam for each library ------------------------------------------------
LIBRARIES = ("keras", "tensorflow", "keras_tuner", "jax")
PRIVATE_ROOMS = (("keras", "src"), ("keras_tuner", "src"), ("tensorflow", "python"), ("jax", "_src"))
SEAMS = (
    "kerasnas/backend/keras_internals.py",
    "kerasnas/backend/tensorflow_internals.py",
    "tuners/keras_tuner_internals.py",
)
# Hooks that subclasses of ours define or call, listed in the seams with the reason for each.
SANCTIONED = {*keras_internals.OVERRIDDEN, *(name.rpartition(".")[2] for name in keras_tuner_internals.PRIVATE)}
OWN = ("self", "cls", "super()")
PYTHON_NAMES = {"_replace", "_asdict", "_make", "_fields", "_exit"}  # of named tuples and of `os`


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


@functools.cache
def names_of_library_class(kind: type) -> frozenset[str]:
    """The private methods and attributes of a library's class, as its source defines and assigns them."""
    assigned = re.findall(r"\bself\.(_[a-z]\w*)", inspect.getsource(kind))
    return frozenset(name for name in (*vars(kind), *assigned) if is_private(name))


def own_classes() -> Iterator[type]:
    for name in sorted(FILES):
        if name == "kerasnas/backend/jax.py":
            continue  # its steps have the names that those of TensorFlow have
        module = importlib.import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for kind in list(vars(module).values()):
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                yield kind


def private_names_of(tree: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """The private names that a class defines, and those it reads or assigns of `self`, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_private(node.name):
            yield node.name, node.lineno
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in OWN:
            yield node.attr, node.lineno


def inherited_private_names() -> Iterator[tuple[str, int, str]]:
    """Names of a library's class that a subclass of ours touches: `(file, line, name)`. Mixins count by their users."""
    for kind in own_classes():
        bases = [base for base in kind.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
        theirs = frozenset().union(*map(names_of_library_class, bases)) - SANCTIONED
        for base in kind.__mro__ if theirs else ():
            path = base.__module__.replace(".", "/")
            for file in {f"{path}.py", f"{path}/__init__.py"} & set(FILES):
                for node in ast.walk(TREES[file]):
                    if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                        yield from ((file, line, name) for name, line in private_names_of(node) if name in theirs)


def foreign_private_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Private modules that a file imports, and private attributes that it reads of anything but `self`."""
    for parts in imports(tree):
        if parts[:2] in PRIVATE_ROOMS or (parts[0] in LIBRARIES and any(map(is_private, parts))):
            yield 0, ".".join(parts)
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} | PYTHON_NAMES
    own |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"}
    for node in attributes:
        if is_private(node.attr) and node.attr not in own and ast.unparse(node.value) not in OWN:
            yield node.lineno, ast.unparse(node)
    for node in ast.walk(tree):
        by_name = isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr")
        if by_name and isinstance(node.args[1], ast.Constant) and is_private(node.args[1].value):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("__dict__"):
            yield node.lineno, ast.unparse(node)


@functools.cache
def touched_private_names() -> dict[str, set[str]]:
    """File -> `line: name` for every private name of a library that it touches."""
    found: dict[str, set[str]] = {}
    for file, line, name in inherited_private_names():
        found.setdefault(file, set()).add(f"line {line}: {name}")
    for file, tree in TREES.items():
        for line, name in foreign_private_names(tree):
            found.setdefault(file, set()).add(f"line {line}: {name}")
    return found


@each_file
def test_private_names_of_libraries_stay_in_their_seam(name):
    touched = sorted(touched_private_names().get(name, ()))
    if name not in SEAMS:
        assert not touched, f"{name} touches private names. Go through a function of one of {SEAMS}: {touched}"


@pytest.mark.parametrize("name", [name for name in sorted(FILES) if re.match(r"tuners/.*(?<!__init__).py$", name)])
def test_every_module_of_tuners_has_its_tests_by_name(name):
    module = Path(name)
    assert (ROOT / "tests" / module.parent / f"test_{module.name}").exists(), f"{name} has no tests of its own"


def test_public_face():
    import kerasnas
    import tuners

    for package in (kerasnas, tuners):
        assert list(package.__all__) == sorted(set(package.__all__), key=lambda n: (not n[0].isupper(), n))
        for name in package.__all__:
            assert hasattr(package, name), f"{package.__name__}.__all__ names {name}, which does not exist"
    assert (ROOT / "kerasnas" / "py.typed").exists() and (ROOT / "tuners" / "py.typed").exists()


IMPORT_TIME = """
import time
import sys
before = set(sys.modules)
start = time.perf_counter()
import kerasnas
print(time.perf_counter() - start)
new = {name.split(".")[0] for name in set(sys.modules) - before}
heavy = {"tensorflow", "keras", "matplotlib", "keras_tuner", "tuners", "tensorboard", "pandas", "scipy", "sklearn"}
print(sorted(new & heavy))
"""


def test_import_is_light():
    """At most 0.3 s, and no framework; twice that is let pass for a busy machine."""
    seconds = []
    while len(seconds) < 3 and min(seconds, default=1.0) > 0.3:
        command = [sys.executable, "-c", IMPORT_TIME]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=ROOT)
        first, heavy = done.stdout.split("\n")[:2]
        seconds.append(float(first))
    print(f"import kerasnas: {min(seconds):.3f} s (limit 0.3)")
    assert min(seconds) <= 0.6
    assert heavy == "[]", f"imported without need: {heavy}"
