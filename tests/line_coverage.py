"""A pytest plugin that measures line coverage without a trace function: `python -m pytest -p tests.line_coverage`.

Before Python 3.12 a trace function slows down every line of Keras and TensorFlow as well, which nearly doubles the
suite's CPU time. Here each statement of the packages notes its own line, at the cost of a `set.add`. The lines go into
the data file of coverage.py, whose settings, report and floor (pyproject.toml) hold.
"""

import ast
import importlib.machinery
import io
import sys

import coverage
import pytest

PACKAGES = ("kerasnas", "tuners")
NOTE = "__note_line__"
lines: dict[str, set[int]] = {}


class Noting(ast.NodeTransformer):
    """Put a call that notes the line before each statement."""

    def generic_visit(self, node):
        super().generic_visit(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, [new for index, one in enumerate(value) for new in noted(one, index == 0)])
        if isinstance(node, (ast.ExceptHandler, ast.match_case)):
            node.body.insert(0, note(getattr(node, "pattern", node).lineno, node.body[0]))
        return node


def noted(statement, first):
    """The statement with its notes; a docstring, and what is imported of `__future__`, stay the first."""
    if first and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return [statement]
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return [statement, note(statement.lineno, statement)]
    above = [one.lineno for one in getattr(statement, "decorator_list", [])]
    return [*(note(line, statement) for line in (*above, statement.lineno)), statement]


def note(line, place):
    call = ast.Call(ast.Name(NOTE, ast.Load()), [ast.Constant(line)], [])
    return ast.fix_missing_locations(ast.copy_location(ast.Expr(call), place))


class Loader(importlib.machinery.SourceFileLoader):
    """Compile with notes, and cache that apart from Python's own files."""

    def source_to_code(self, data, path, *, _optimize=-1):
        return compile(Noting().visit(ast.parse(data, path)), path, "exec", dont_inherit=True, optimize=_optimize)

    def get_data(self, path):
        return super().get_data(_own(path) if path.endswith(".pyc") else path)

    def _cache_bytecode(self, source_path, bytecode_path, data):
        super()._cache_bytecode(source_path, _own(bytecode_path), data)

    def exec_module(self, module):
        setattr(module, NOTE, lines.setdefault(self.path, set()).add)
        super().exec_module(module)


def _own(path):
    return path.removesuffix(".pyc") + ".lines.pyc"


class Finder:
    """Find what the other finders do, and load the packages by `Loader`."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in PACKAGES:
            return None
        specs = (other.find_spec(name, path, target) for other in sys.meta_path if other is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


sys.meta_path.insert(0, Finder())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Write the lines of this process; the process that has started the others reports, and is red below the floor."""
    measured = coverage.Coverage()
    data = coverage.CoverageData(measured.get_option("run:data_file"), suffix=True)
    data.add_lines(lines)
    data.touch_files(str(path) for name in PACKAGES for path in (session.config.rootpath / name).rglob("*.py"))
    data.write()
    if hasattr(session.config, "workerinput"):
        return
    measured.combine()
    measured.save()  # for `coverage report`
    total, floor = measured.report(file=io.StringIO()), measured.get_option("report:fail_under")
    terminal = session.config.get_terminal_writer()
    terminal.line(f"\nLines covered: {total:.2f} %, of at least {floor} % (by file: coverage report)")
    if total < floor:
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
