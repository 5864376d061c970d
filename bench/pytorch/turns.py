"""A contender's side of a measurement in turn: what ../harness/process.mjs speaks. Each reply is a line of standard output,
{"reply": ...}; everything else there is noise of a library."""

import json
import resource
import sys
import time


def reply(message):
    print("\n" + json.dumps({"reply": message}), flush=True)


try:
    import torch  # here, so that a Python without it tells so; the others have it from here
except ImportError:
    reply({"status": "not installed", "note": f"{sys.executable} has no torch"})
    sys.exit(0)


def peak_mb():
    """Of memory that this process took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def take_turns(prepare):
    """Runs as often as standard input asks, one number a line. `prepare(job)` answers what is told of itself, and a run."""
    try:
        facts, run = prepare(json.loads(sys.argv[1]))
        reply(facts)
        for line in sys.stdin:
            repeats = int(line)
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            reply({"ms": 1000 * (time.perf_counter() - start) / repeats, "peakMB": peak_mb()})
    except Exception as error:  # the other side tells it
        reply({"status": "failed", "note": f"{type(error).__name__}: {error}"})
