"""Run scripts one after the other in copies of a process that has imported what they need: an import takes seconds.

A line of the standard input is a file for the output, a script and its words, as a shell writes them; the answer is a
line with the script's exit code.
"""

import os
import runpy
import shlex
import sys


def run(output: str, script: str, words: list[str]) -> None:
    """Be the script, as `python SCRIPT WORDS >> OUTPUT 2>&1` is."""
    file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for given, descriptor in ((os.open(os.devnull, os.O_RDONLY), 0), (file, 1), (file, 2)):
        os.dup2(given, descriptor)
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Serve until the input ends."""
    import ictconvention.simulation.simulate
    import ictconvention.training.run  # noqa: F401 - what nearly every script needs

    while line := sys.stdin.readline():
        output, script, *words = shlex.split(line)
        if not (pid := os.fork()):
            run(output, script, words)
            return
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
