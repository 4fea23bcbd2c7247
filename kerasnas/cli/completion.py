"""Shell scripts that complete commands, flags and values, generated from the flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kerasnas.cli.command import Command

SHELLS = ("bash", "zsh", "fish")


def script(shell: str, commands: Mapping[str, Command]) -> str:
    """Return the script that `kerasnas completion SHELL` prints.

    Args:
        shell: one of `SHELLS`.
        commands: name -> command.
    """
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def _flags(command: Command) -> list[tuple[str, str, list[str]]]:
    """Return name, first sentence of the help, and known values of each flag of a command."""
    flags = {name: flag for group in command.description().values() for name, flag in group.items()}
    return [(name, _first(flags[name]["help"]), flags[name]["known"]) for name in sorted(flags)]


def _first(text: str) -> str:
    """Return the first sentence without characters that are special to a shell."""
    text = re.sub(r"^<[^>]*>:? ", "", " ".join(text.split()))  # absl puts the values of a choice first
    sentence = re.split(r"\. | \(|;", text)[0].rstrip(".")
    return "".join(sign for sign in sentence.replace(":", ",") if sign not in "'\"`[]:\\$()")


def _bash(commands: Mapping[str, Command]) -> str:
    cases, values = [], []
    for name, command in commands.items():
        flags = _flags(command)
        cases.append(f'        {name}) flags="{" ".join(f"--{flag}=" for flag, _, _ in flags)} --help" ;;')
        values += [f'        "{name} --{flag}") values="{" ".join(known)}" ;;' for flag, _, known in flags if known]
    return f"""# kerasnas: completion for bash. Put it where bash looks, such as
#   kerasnas completion bash > ~/.local/share/bash-completion/completions/kerasnas
_kerasnas() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} flag="" flags="" values=""
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W "{" ".join([*commands, "help"])}" -- "$current"))
        return
    fi
    # bash reads --name=value as three words
    if [[ $current == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-1]}} current=""
    elif [[ ${{COMP_WORDS[COMP_CWORD-1]}} == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    case "$command $flag" in
{_lines(values)}
    esac
    case $command in
{_lines(cases)}
    esac
    if [[ -n $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$current"))
    elif [[ -z $flag && $current == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$current"))
        compopt -o nospace 2>/dev/null
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -F _kerasnas kerasnas
"""


def _zsh(commands: Mapping[str, Command]) -> str:
    cases = []
    for name, command in commands.items():
        flags = [
            f"'--{flag}=[{text}]:{flag}:{f'({chr(32).join(known)})' if known else '_files'}'"
            for flag, text, known in _flags(command)
        ]
        cases.append(f"        {name}) _arguments {' '.join([*flags, chr(39) + '*:file:_files' + chr(39)])} ;;")
    names = " ".join(f"'{name}:{_first(command.summary)}'" for name, command in commands.items())
    return f"""#compdef kerasnas
# kerasnas: completion for zsh. Put it where zsh looks, such as
#   kerasnas completion zsh > "${{fpath[1]}}/_kerasnas"
_kerasnas() {{
    if (( CURRENT == 2 )); then
        local -a commands=({names})
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{_lines(cases)}
    esac
}}
if [[ $funcstack[1] == _kerasnas ]]; then _kerasnas "$@"; else compdef _kerasnas kerasnas; fi
"""


def _fish(commands: Mapping[str, Command]) -> str:
    lines = [
        "# kerasnas: completion for fish. Put it where fish looks:",
        "#   kerasnas completion fish > ~/.config/fish/completions/kerasnas.fish",
    ]
    for name, command in commands.items():
        summary = _first(command.summary)
        lines.append(f"complete -c kerasnas -n __fish_use_subcommand -f -a {name} -d '{summary}'")
        for flag, text, known in _flags(command):
            values = f"-x -a '{' '.join(known)}'" if known else "-r"
            lines.append(f"complete -c kerasnas -n '__fish_seen_subcommand_from {name}' -l {flag} {values} -d '{text}'")
    return _lines(lines) + "\n"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
