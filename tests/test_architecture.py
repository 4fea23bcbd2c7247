"""The package's rules, read from its source: imports point one way, backends stay in their rooms."""

import ast
import functools
import graphlib
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
        *("wording", "checks", "constraints", "registry", "genotypes", "files", "records", "intervals", "pareto"),
        "other_tools",
        *("backend", "distribution", "executors"),
    },
    {"primitives", "relaxations", "tasks"},
    {"networks"},
    {"spaces"},
    {"companions", "cost", "tabular", "callbacks"},
    {"modalities"},
    {"datasets"},
    {"proxies", "strategies", "trainers"},
    {"search"},  # the public face of both
    {"meta", "starts"},
    {"federated"},
    {"training", "racing"},
    {"drift", "reporting", "export", "testing", "platforms"},
    {"runs"},
    {"methods", "diagnostics"},
    {"deployment"},
    {"cli"},
    {"__main__"},
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
    "tflite_micro": ("kerasnas/export/micro.py",),
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
    **dict.fromkeys(("starlette", "uvicorn"), ("kerasnas/deployment/serving.py",)),
    "cryptography": ("tuners/distributed/certificate.py",),
    "yaml": ("kerasnas/cli/configuration.py",),
    "keras_hub": ("kerasnas/starts/kerashub.py",),
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
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in FILES}

# Ceilings that may only fall.
MOST_DEEP_CLASSES = 5  # classes on a chain of more than three classes of ours; to become 0


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


@functools.cache
def nodes_of(name: str) -> list[ast.AST]:
    return list(ast.walk(tree(name)))


def rule(violations):
    """Make one test of a generator `(file, its nodes) -> violations`: it reads all files and lists every violation."""

    def test():
        broken = [f"{name}: {words}" for name in sorted(FILES) for words in violations(name, nodes_of(name))]
        assert not broken, "\n".join(broken)

    test.__name__, test.__doc__ = violations.__name__, violations.__doc__
    return test


def imports(nodes: list[ast.AST]) -> Iterator[tuple[str, ...]]:
    """Every imported dotted name as a tuple of its parts, also inside functions, of types and in `import_module`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield (*(node.module or "").split("."), alias.name)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            yield from (tuple(one.value.split(".")) for one in node.args[:1] if isinstance(one, ast.Constant))


@functools.cache
def imports_of(name: str) -> list[tuple[str, ...]]:
    return list(imports(nodes_of(name)))


def unit_of(name: str) -> str:
    """The module or package of the first level that a file belongs to; "" for the package's face."""
    parts = name.removesuffix(".py").split("/")
    return "" if parts[1] == "__init__" else parts[1]


def imported_units(name: str) -> set[str]:
    """The units of kerasnas that a file imports. `from kerasnas import __version__` is none."""
    parts = [parts for parts in imports_of(name) if parts[0] == "kerasnas" and len(parts) > 1]
    return {part[1] for part in parts if (ROOT / "kerasnas" / part[1]).is_dir() or f"kerasnas/{part[1]}.py" in FILES}


@rule
def test_imports_point_one_way(name, nodes):
    own = unit_of(name)
    if name.startswith("tuners/") or not own:
        return  # tuners may import any layer; the package's face imports all
    for unit in {own, *imported_units(name)}:
        if unit not in LEVEL:
            yield f"'{unit}' has no level yet: add it to LEVELS"
        elif LEVEL[unit] > LEVEL.get(own, -1):
            yield f"imports kerasnas.{unit}, which stands above it"


def module_of(parts: tuple[str, ...]) -> str | None:
    """The module that an import loads last: `kerasnas.checks` for `("kerasnas", "checks", "invalid")`."""
    starts = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((start for start in starts if start in MODULES), None)


def circles(graph: dict[str, set[str]]) -> Iterator[str]:
    while True:
        try:
            return graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            circle = error.args[1]
            graph[circle[1]].discard(circle[0])
            yield " <- ".join(circle)


@pytest.mark.parametrize("unit", [False, True], ids=["files", "units"])
def test_nothing_imports_itself_in_a_circle(unit):
    """Imports in functions, for types, and by a string count. A file may import the package that it is in."""
    graph: dict[str, set[str]] = {}
    for module, name in MODULES.items():
        if unit and name.startswith("kerasnas/") and unit_of(name):
            graph.setdefault(unit_of(name), set()).update(imported_units(name) - {unit_of(name)})
        elif not unit:
            targets = {module_of(parts) for parts in imports_of(name)} - {None, "kerasnas", "tuners"}
            graph[module] = {target for target in targets if not f"{module}.".startswith(f"{target}.")}
    assert not list(circles(graph))


@rule
def test_packages_stay_in_their_rooms(name, nodes):
    for parts in imports_of(name):
        rooms = ROOMS.get(parts[0])
        if rooms is not None and not name.startswith(rooms):
            yield f"imports {'.'.join(parts)}; it belongs in {rooms}"


@rule
def test_nothing_is_run_as_code_and_no_error_is_swallowed(name, nodes):
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec", "compile", "__import__"):
                yield f"line {node.lineno}: {node.func.id}"
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "safe_mode"):
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            if value is not False if node.arg == "allow_pickle" else value is False:
                yield f"line {node.value.lineno}: {node.arg}"
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}: a relative import"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"line {node.lineno}: a bare except"


@rule
def test_nothing_global_is_set(name, nodes):
    """No global seed and no global configuration; `testing` sets a dtype policy and sets it back."""
    forbidden = {"set_random_seed", "set_seed", "set_floatx", "set_epsilon", "set_image_data_format", "set_backend"}
    if unit_of(name) != "testing":
        forbidden |= {"set_dtype_policy", "set_global_policy"}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            if node.func.attr in forbidden or called in ("random.seed", "np.random.seed"):
                yield f"line {node.lineno}: {called}"


@rule
def test_public_names_have_docstrings(name, nodes):
    for node in [tree(name), *tree(name).body]:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            own = getattr(node, "name", "the module")
            if not own.startswith("_") and not ast.get_docstring(node):
                yield f"{own} has no docstring"


# Methods of papers: their rooms, and files of them elsewhere
METHODS = (
    *("kerasnas/relaxations/", "kerasnas/trainers/", "kerasnas/primitives/mixed_op.py"),
    *("kerasnas/primitives/partial_mixed_op.py", "kerasnas/networks/supernet.py", "kerasnas/networks/derivation.py"),
    *("kerasnas/strategies/attention.py", "kerasnas/strategies/controller.py", "kerasnas/strategies/policies.py"),
    *("kerasnas/strategies/asha.py", "kerasnas/strategies/bananas.py", "kerasnas/strategies/bohb.py"),
    "kerasnas/strategies/numpy_networks.py",
    *("kerasnas/strategies/ehvi.py", "kerasnas/strategies/tpe.py"),
    *("kerasnas/spaces/darts.py", "kerasnas/spaces/enas.py", "kerasnas/spaces/enas_macro.py"),
    "kerasnas/spaces/proxyless.py",
)
DIFFERENCES = re.compile(r"^Differences from the paper:\n((?: {4}- \S.*\n?(?: {6}.*\n?)*)+)\Z", re.MULTILINE)


@rule
def test_methods_state_their_differences_from_their_papers(name, nodes):
    """A docstring that refers to a paper of a method (not to a textbook) has a list of the differences, or "None"."""
    for node in nodes if name.startswith(METHODS) else ():
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            text = ast.get_docstring(node) or ""
            if "arXiv" in text.partition("Reference:\n")[2] and not DIFFERENCES.search(text):
                yield f"line {node.lineno}: {node.name} has no list 'Differences from the paper:' at its end"


@rule
def test_every_module_of_tuners_has_its_tests_by_name(name, nodes):
    module = Path(name)
    tested = (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
    if name.startswith("tuners/") and module.name != "__init__.py" and not tested:
        yield "no tests of its own"


def length_of_chain(kind: type) -> int:
    own = kind.__module__.partition(".")[0] in ("kerasnas", "tuners")
    return own + max(map(length_of_chain, kind.__bases__), default=0)


def test_chains_of_classes_are_at_most_three_deep():
    """A collaborator is held, not inherited."""
    deep = sorted({f"{kind.__module__}.{kind.__name__}" for kind in own_classes() if length_of_chain(kind) > 3})
    assert len(deep) <= MOST_DEEP_CLASSES and not any(name.startswith("tuners.") for name in deep), deep


# Private names of the libraries: one seam for each library ------------------------------------------------
LIBRARIES = ("keras", "tensorflow", "keras_tuner", "jax")
PRIVATE_ROOMS = (("keras", "src"), ("keras_tuner", "src"), ("tensorflow", "python"), ("jax", "_src"))
SEAMS = (
    "kerasnas/backend/keras_internals.py",
    "kerasnas/backend/sklearn_internals.py",
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
    for name in sorted(set(MODULES) - {"kerasnas.backend.jax"}):  # whose steps have the names of TensorFlow's
        module = importlib.import_module(name)
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
                for node in nodes_of(file):
                    if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                        yield from ((file, line, name) for name, line in private_names_of(node) if name in theirs)


def foreign_private_names(name: str) -> Iterator[tuple[int, str]]:
    """Private modules that a file imports, and private attributes that it reads of anything but `self`."""
    for parts in imports_of(name):
        if parts[:2] in PRIVATE_ROOMS or (parts[0] in LIBRARIES and any(map(is_private, parts))):
            yield 0, ".".join(parts)
    attributes = [node for node in nodes_of(name) if isinstance(node, ast.Attribute)]
    own = {node.name for node in nodes_of(name) if isinstance(node, ast.FunctionDef)} | PYTHON_NAMES
    own |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"}
    for node in attributes:
        if is_private(node.attr) and node.attr not in own and ast.unparse(node.value) not in OWN:
            yield node.lineno, ast.unparse(node)
    for node in nodes_of(name):
        by_name = isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr")
        if by_name and isinstance(node.args[1], ast.Constant) and is_private(node.args[1].value):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("__dict__"):
            yield node.lineno, ast.unparse(node)


def test_private_names_of_libraries_stay_in_their_seam():
    touched = {(file, line, name) for file, line, name in inherited_private_names()}
    touched |= {(file, line, name) for file in FILES for line, name in foreign_private_names(file)}
    broken = [f"{file}:{line}: {name}" for file, line, name in sorted(touched) if file not in SEAMS]
    assert not broken, f"Private names. Go through a function of one of {SEAMS}:\n" + "\n".join(broken)


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


GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_contributing_has_the_levels():
    block = GUIDE.partition("<!-- levels -->\n```\n")[2].partition("```")[0]
    assert block == "".join(f"{' '.join(sorted(units))}\n" for units in LEVELS)


def test_contributing_has_every_room_and_no_path_that_is_not_there():
    paths = set()
    for path in re.findall(r"`((?:kerasnas|tuners|docs|benchmarks|tests)/[^\s`<]*)`", GUIDE):
        head, brace, rest = path.partition("{")
        names, _, tail = rest.partition("}")
        paths |= {f"{head}{name}{tail}" for name in names.split(",")} if brace else {path}
    missing = [path for path in paths if path == path.lower() and not (ROOT / path).exists()]
    assert not missing, missing
    units = {unit_of(name) for name in FILES if name.startswith("kerasnas/")} - {""}
    absent = [unit for unit in units if not {f"kerasnas/{unit}/", f"kerasnas/{unit}.py"} & paths]
    assert not absent, f"no row in 'The rooms': {absent}"


def test_contributing_says_how_to_add_to_every_registry():
    text = GUIDE.partition("## To add a ...")[2].partition("\n## ")[0]
    nodes = [node for name in FILES for node in tree(name).body if isinstance(node, ast.Assign)]
    names = [ast.unparse(node.targets[0]) for node in nodes if ast.unparse(node.value).startswith("Registry(")]
    absent = [name for name in names if name not in text]
    assert len(names) > 10 and not absent, f"no row in 'To add a ...': {absent}"
