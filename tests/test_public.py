"""What is public: the names in an `__all__`. They exist, say what they are, and have types; all else may change."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import kerasnas
import tuners

ROOT = Path(__file__).parents[1]
INTERNAL = {"kerasnas.cli"}  # its face is the command line
BY_MODULE = {"kerasnas.platforms"}  # each module is imported by its name, as each needs another package
PACKAGES = sorted(
    name
    for package in (kerasnas, tuners)
    for _, name, is_package in [
        (None, package.__name__, True),
        *pkgutil.walk_packages(package.__path__, f"{package.__name__}."),
    ]
    if is_package
)
MODULES = ["kerasnas.genotypes", "kerasnas.search"]
MOST_NAMES = 180  # a user can learn so many; a new one needs a page that shows it
MOST_ANY = 0.18  # of the annotations of public signatures, see `test_any_is_not_used_more`


def declares(name):
    """True if a package's `__init__` has an `__all__`; read from its source, as nothing needs to be imported for it."""
    tree = ast.parse((ROOT / name.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in tree.body)


PUBLIC = [*(name for name in PACKAGES if declares(name)), *MODULES]


@functools.cache
def named():
    """Every public object that is ours, by the name it is imported by."""
    found = {}
    for package in PUBLIC:
        module = importlib.import_module(package)
        found |= {f"{package}.{name}": getattr(module, name) for name in module.__all__}
    return found


@pytest.mark.parametrize("name", [*PACKAGES, *MODULES])
def test_a_package_says_what_is_public(name):
    module = importlib.import_module(name)
    if name in PUBLIC:
        assert len(set(module.__all__)) == len(module.__all__)
        missing = [one for one in module.__all__ if not hasattr(module, one)]
        assert not missing, f"{name}.__all__ promises {missing}"
    elif name not in INTERNAL | BY_MODULE:
        assert "Internal: " in (module.__doc__ or ""), f"{name} has no __all__, and does not say that it is internal"


def test_each_public_name_stands_in_one_place_and_they_are_few():
    names = [f"{package}.{name}" for package in PUBLIC for name in importlib.import_module(package).__all__]
    assert len(names) <= MOST_NAMES, f"{len(names)} names in `__all__`: what no user needs lives in its module"
    places = {}
    for place, value in named().items():
        if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
            places.setdefault(id(value), []).append(place)
    twice = [several for several in places.values() if len(several) > 1]
    assert not twice, f"in more than one `__all__`: {twice}"


def shown():
    """The code that pages for users show: fences, what stands in backticks, and examples."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    pages += [*(ROOT / "docs" / "guides").glob("*.md"), *(ROOT / "docs" / "tutorials" / "sources").glob("*.md")]
    not_guides = {"changelog.md", "compatibility.md", "contributing.md", "reading.md", "reference.md"}
    for page in pages:
        if page.name not in not_guides:
            text = page.read_text(encoding="utf-8")
            yield from re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
            yield from re.findall(r"`([^`\n]+)`", text)
    yield from (page.read_text(encoding="utf-8") for page in (ROOT / "examples").glob("*.py"))


def test_every_public_name_is_shown_to_users():
    """A class or constant by its name; a function with its module, as names like `load` are words of other things."""
    code = "\n".join(shown())
    missing = []
    for place in named():
        module, _, name = place.rpartition(".")
        last = module.rpartition(".")[2]
        pattern = rf"\b{name}\b" if name[0].isupper() else rf"\b{last}\.{name}\b|\bimport [^\n]*\b{name}\b"
        if not re.search(pattern, code):
            missing.append(place)
    assert not missing, f"public, and on no page: {missing}"


def test_every_public_name_is_in_the_reference():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "extensions"))
        modules = importlib.import_module("modules")
        homes = modules.homes(modules.entries())
    described = {place for place, value in named().items() if inspect.isclass(value) or inspect.isroutine(value)}
    assert described <= set(homes), f"not in the reference: {described - set(homes)}"


def test_public_names_say_what_they_are():
    silent = [
        name
        for name, value in named().items()
        if (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)) and not inspect.getdoc(value)
    ]
    assert not silent, f"no docstring: {silent}"


def test_public_signatures_have_types():
    bare = []
    for name, value in named().items():
        functions = {name: value} if inspect.isfunction(value) else {}
        if inspect.isclass(value):
            methods = {key: one for key, one in vars(value).items() if key == "__init__" or not key.startswith("_")}
            functions = {f"{name}.{key}": one for key, one in methods.items() if inspect.isfunction(one)}
        for where, function in functions.items():
            if not inspect.unwrap(function).__module__.startswith(("kerasnas", "tuners")):
                continue
            signature = inspect.signature(function)
            own = list(signature.parameters.values())
            if inspect.isclass(value):
                own = own[1:]
            bare += [f"{where}({one.name})" for one in own if one.annotation is one.empty]
            if function.__name__ != "__init__" and signature.return_annotation is signature.empty:
                bare.append(f"{where} -> ?")
    assert not bare, bare


def annotations():
    """Each annotation of a public signature in the source, but for that of `**kwargs`."""
    for package in ("kerasnas", "tuners"):
        for path in (ROOT / package).rglob("*.py"):
            yield from _annotations(ast.parse(path.read_text(encoding="utf-8")))


def _annotations(tree):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _annotations(node)
        elif isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg]
            yield from (one.annotation for one in every if one is not None and one.annotation is not None)
            if node.returns is not None:
                yield node.returns


def test_any_is_not_used_more():
    """A type that says nothing is an exception. Lower `MOST_ANY` when it is, and never raise it."""
    every = [ast.unparse(one) for one in annotations()]
    vague = [one for one in every if "Any" in one]
    share = len(vague) / len(every)
    assert share <= MOST_ANY, f"{len(vague)} of {len(every)} annotations have an Any: {share:.4f}"
