"""Which tracked results are of code that has changed since?

    python benchmarks/stale.py            # a line for each: what changed after it was measured
    python benchmarks/stale.py --strict   # exit status 1 if there is one

A result names the files and folders it depends on (`code`), and its commit; listed are the commits since that touched
them, and uncommitted changes. Results of a commit that this clone does not have are listed as such.
"""

import sys

import skeleton
import tracked


def main() -> None:
    arguments = skeleton.arguments(__doc__, record=False, strict=(False, "exit status 1 if a result is stale"))
    found, results = {}, tracked.every()
    for name, result in results.items():
        if reason := stale(result):
            found[name] = reason
            print(f"{name}: {reason}")
    print(f"{len(found)} of {len(results)} results are of code that has changed since, or of a commit not known here.")
    sys.exit(1 if found and arguments.strict else 0)


def stale(result: dict) -> str:
    """Describe what has changed since a result; empty if nothing has."""
    commit, paths = result["commit"], result["code"]
    log = tracked.git("log", "--format=%h", f"{commit}..HEAD", "--", *paths)
    if log is None:
        return f"commit {str(commit)[:9]} is not in this clone"
    changed = tracked.git("status", "--porcelain", "--", *paths)
    if not log and not changed:
        return ""
    files = tracked.git("diff", "--name-only", commit, "--", *paths).split()
    some = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    words = f"since {commit[:9]} {len(log.split())} commits" + (", uncommitted changes" if changed else "")
    return f"{words}: {some or 'undone again'}"


if __name__ == "__main__":
    main()
