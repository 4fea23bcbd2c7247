"""The pages of the reference: one for each public module, made of `__all__`, signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import docstrings
import modules
from modules import MODULES, Entry

import kerasnas
from kerasnas.registry import Registry


def pages() -> dict[str, str]:
    """Path below `generated/` -> Markdown."""
    found = modules.entries()
    homes = modules.homes(found)
    result = {f"reference/{place}.md": _module(place, found[place], homes) for place in MODULES}
    result["reference/kerasnas.md"] = _package(homes)
    return result


def _package(homes: dict[str, str]) -> str:
    lines = ["# The package", "", "Module `kerasnas`.", "", docstrings.markdown(kerasnas.__doc__), ""]
    for name in kerasnas.__all__:
        summary = docstrings.summary(getattr(kerasnas, name).__doc__)
        lines.append(f"- {{py:obj}}`kerasnas.{name} <{homes[f'kerasnas.{name}']}>`: {summary}")
    lines += ["", "Its rooms, imported when they are first used:", ""]
    for place, title in MODULES.items():
        if place.startswith("kerasnas."):
            lines.append(f"- [`{place}`]({place}.md): {title[0].lower()}{title[1:]}")
    return "\n".join(lines) + "\n"


def _module(place: str, own: list[Entry], homes: dict[str, str]) -> str:
    module = __import__(place, fromlist=["_"])
    lines = [f"# {MODULES[place]}", "", f"Module `{place}`.", "", docstrings.markdown(module.__doc__ or ""), ""]
    lines += [f"- {{py:obj}}`{entry.name} <{entry.place}>`: {_summary(entry.value)}" for entry in own]
    here = {entry.name for entry in own}
    others = [name for name in modules.public(module) if name not in here and f"{place}.{name}" in homes]
    lines += [f"- `{name}`: the same as `{homes[f'{place}.{name}']}`." for name in others]
    lines += ["", f"```{{py:currentmodule}} {place}", "```", ""]
    for entry in own:
        lines += [_entry(entry), ""]
    return "\n".join(lines)


def _summary(value: Any) -> str:
    if isinstance(value, Registry):
        return f"A registry: {', '.join(f'`{name}`' for name in value)}."
    if not (inspect.isclass(value) or callable(value)):
        return f"`{value!r}`" if len(repr(value)) < 200 else "A constant."
    return docstrings.summary(value.__doc__)


def _entry(entry: Entry) -> str:
    value = entry.value
    if inspect.isclass(value):
        return _class(entry)
    if inspect.isfunction(value):
        return _directive("py:function", f"{entry.name}{signature(value)}", docstrings.markdown(value.__doc__ or ""))
    return _directive("py:data", entry.name, _summary(value))


def _class(entry: Entry) -> str:
    owner = entry.value
    kind = "py:exception" if issubclass(owner, BaseException) else "py:class"
    body = docstrings.markdown(owner.__doc__ or "")
    if dataclasses.is_dataclass(owner) and (owner.__doc__ or "").startswith(f"{owner.__name__}("):
        body = ""
    parts = [body, *(_member(entry, name, value) for name, value in modules.members(owner).items())]
    if inherited := _inherited(owner):
        parts.append(inherited)
    return _directive(kind, f"{entry.name}{signature(owner.__init__, bound=True)}", "\n\n".join(filter(None, parts)))


def _inherited(owner: type) -> str:
    """A line for each base of ours: what comes from it."""
    lines = []
    own = set(modules.members(owner))
    for base in owner.__mro__[1:]:
        if base.__module__.split(".")[0] not in ("kerasnas", "tuners"):
            continue
        names = [name for name in modules.members(base) if name not in own]
        own |= set(names)
        if names:
            lines.append(f"From `{base.__name__}`: {', '.join(f'`{name}`' for name in names)}.")
    return "\n".join(lines)


def _member(entry: Entry, name: str, value: Any) -> str:
    place = f"{entry.name}.{name}"
    text = docstrings.markdown(value.__doc__ or "")
    if isinstance(value, property):
        return _directive("py:property", place, text)
    if isinstance(value, classmethod):
        return _directive("py:method", place + signature(value.__func__, bound=True), text, ":classmethod:")
    if isinstance(value, staticmethod):
        return _directive("py:method", place + signature(value.__func__), text, ":staticmethod:")
    return _directive("py:method", place + signature(value, bound=True), text)


def _directive(kind: str, title: str, body: str, *options: str) -> str:
    fence = "`" * (4 + body.count("`````") + _depth(body))
    return "\n".join([f"{fence}{{{kind}}} {title}", *options, "", body, fence])


def _depth(body: str) -> int:
    """By how many backticks a fence around `body` has to be longer than four."""
    longest = max((len(line) - len(line.lstrip("`")) for line in body.splitlines()), default=0)
    return max(0, longest - 3)


def signature(function: Callable, bound: bool = False) -> str:
    """`(x, y=3)` as the source has it, without annotations that are longer than they help."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return "()"
    texts, star = [], False
    for parameter in parameters[1:] if bound else parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            texts.append("*")
            star = True
        star |= parameter.kind is parameter.VAR_POSITIONAL
        prefix = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = prefix + parameter.name
        if parameter.default is not parameter.empty:
            text += f"={_default(parameter.default)}"
        texts.append(text)
    return f"({', '.join(texts)})"


def _default(value: Any) -> str:
    if callable(value):
        return getattr(value, "__name__", "...")
    text = repr(value)
    return "..." if text.startswith("<") or "\n" in text else textwrap.shorten(text, 80, placeholder="...")
