"""Messages about flags: in our words, with the name of the flag that was typed."""

from __future__ import annotations

import re

from absl import flags

from kerasnas.wording import nearest

_KINDS = {"int": "an integer", "float": "a number", "bool": "true or false"}


def about_flags(message: str, values: flags.FlagValues | None) -> str:
    """A message of a command, with flags in place of settings and arguments."""
    if values is None:
        return message
    if match := re.match(r"flag --([\w-]+)=(.*?): ", message, re.DOTALL):
        return _illegal(values[match[1]], match[2])
    for name in re.findall(r"for setting `(\w+)`", message):
        flag = name if name in values else name.removesuffix("s")  # `imports` is --import
        if flag in values:
            message = message.replace(f"for setting `{name}`", f"for flag --{flag}")
    if match := re.match(r"Unknown [\w ]+ '([^']*)'\. ", message):
        flags_of = _typed(values, match[1])
        return f"--{flags_of[0]}={match[1]}: {message[0].lower()}{message[1:]}" if len(flags_of) == 1 else message
    if (match := re.search(r"Received: '([^']*)'", message)) and len(flags_of := _typed(values, match[1])) == 1:
        return re.sub(r"for argument `\w+`", f"for flag --{flags_of[0]}", message, count=1)
    return message


def _illegal(flag: flags.Flag, received: str) -> str:
    known = getattr(flag.parser, "enum_values", None)
    expected = f"one of {', '.join(known)}" if known else _KINDS.get(flag.flag_type(), "another value")
    hint = f" {nearest(received, known).partition(' Known')[0]}" if known else ""
    return f"Invalid value received for flag --{flag.name}. Expected {expected}. Received: {received!r}{hint}"


def _typed(values: flags.FlagValues, text: str) -> list[str]:
    """The flags that were given this value, alone or in a list."""
    given = [name for name in values if values[name].present]
    return [name for name in given if text == values[name].value or text in _list(values[name].value)]


def _list(value: object) -> list:
    return value if isinstance(value, list) else []
