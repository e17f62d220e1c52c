#!/usr/bin/env python3
"""Seconds from a process's start to the end of its first training step: make bench-startup.

netc --jit is the median of five processes; JAX and torch.compile, which take longer, are started
once, their caches on disk left out, and read one batch where netc reads the whole data set.
Writes a Markdown table.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import nets

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = {"JAX": ("peer_jax.py", [], "jax"),
         "torch.compile": ("peer_torch.py", ["--compile"], "torch")}
REPEATS = 5


def of_netc(netc, name):
    command = [netc, "--jit", nets.NETS[name].spec or name, "bench", "--json", "--seconds", "0.05"]
    command[2] = next(p for d in ("specs", "tests/bench")
                      for p in [os.path.join(d, command[2] + ".net")] if os.path.exists(p))
    seconds = []
    for _ in range(REPEATS):
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds.append(json.loads(printed)["startup_seconds"])
    return statistics.median(seconds)


def of_peer(script, more, environment, name):
    command = [os.path.join(environment, "bin", "python"), os.path.join(HERE, script),
               "--threads", "2", *more]
    own = {**os.environ, "JAX_PLATFORMS": "cpu", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    begun = time.time()
    done = subprocess.run(command, input=f"first {name} 0\n", capture_output=True, text=True,
                          env=own)
    answer = json.loads(done.stdout or '{"error": "it has ended"}')
    if isinstance(answer, dict):
        print(f"  {script} {name}: {answer['error']}", file=sys.stderr)
        return None
    return answer - begun


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--jax", default="", help="virtual environment that has JAX")
    p.add_argument("--torch", default="", help="virtual environment that has PyTorch")
    p.add_argument("--netc", default="build/netc")
    p.add_argument("nets", nargs="*", metavar="NET", default=list(nets.TWELVE))
    options = p.parse_args()
    peers = {name: entry for name, entry in PEERS.items() if getattr(options, entry[2])}
    print(f"| network | netc --jit | {' | '.join(peers)} |")
    print("|---|" + (1 + len(peers)) * "---:|", flush=True)
    for name in options.nets:
        row = [of_netc(options.netc, name)]
        for script, more, environment in peers.values():
            row.append(of_peer(script, more, getattr(options, environment), name))
        cells = ["" if s is None else f"{s:.2f} s" for s in row]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


main()
