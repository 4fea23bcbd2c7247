"""Which tracked results are of code that has changed since?

    python benchmarks/stale.py            # a line for each: what changed after it was measured
    python benchmarks/stale.py --strict   # exit status 1 if there is one

A result names the files and folders on which it depends (`code`), and its commit; listed are the commits since that
touched them, and changes that are not committed. Results of a commit that this clone does not have cannot be told.
"""

import argparse
import subprocess
import sys

import tracked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strict", action="store_true", help="exit status 1 if a result is stale")
    arguments = parser.parse_args()
    found, results = {}, tracked.every()
    for name, result in results.items():
        if reason := stale(result):
            found[name] = reason
            print(f"{name}: {reason}")
    print(f"{len(found)} of {len(results)} results are of code that has changed since, or of a commit not known here.")
    sys.exit(1 if found and arguments.strict else 0)


def stale(result: dict) -> str:
    """What has changed since a result; empty where nothing has."""
    commit, paths = result["commit"], result["code"]
    try:
        log = _git("log", "--format=%h", f"{commit}..HEAD", "--", *paths).split()
        changed = _git("status", "--porcelain", "--", *paths).splitlines()
    except subprocess.CalledProcessError:
        return f"commit {str(commit)[:9]} is not in this clone"
    files = _git("diff", "--name-only", commit, "--", *paths).split()
    if not log and not changed:
        return ""
    some = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    words = f"since {commit[:9]} {len(log)} commits" + (", uncommitted changes" if changed else "")
    return f"{words}: {some or 'undone again'}"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=tracked.ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
