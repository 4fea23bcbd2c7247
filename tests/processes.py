"""Forks processes that run a program, from one that has imported everything: imports take seconds in each otherwise.

TensorFlow may be used in them: its threads begin with its first operation, and the process that forks takes none.

The arguments are the program and modules to import. It reads a command in JSON from each line of its input:
`{"env": {...}, "log": path}` starts a process, and answers its id; `{"wait": id}` answers its exit code, None if it
still runs, or the negative number of the signal that ended it.
"""

import importlib
import json
import os
import runpy
import sys
import threading
import traceback


def main(program, *modules):
    for module in modules:
        importlib.import_module(module)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            pid, status = os.waitpid(command["wait"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.close(0)
            os.environ.update(command["env"])
            run(program)
        print(json.dumps(pid), flush=True)


def run(program):
    """Run the program, and end as a process does: when its threads have. But free no memory, which takes seconds."""
    code = 1
    try:
        runpy.run_path(program, run_name="__main__")
        code = 0
    finally:
        if code:
            traceback.print_exc()
        threading._shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
