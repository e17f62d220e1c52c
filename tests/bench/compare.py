#!/usr/bin/env python3
"""Measures netc's programs beside PyTorch, torch.compile, JAX and onnxruntime: make bench-peers.

Every figure of a network is taken in rounds, one short slice of each program after another, and is
the median over rounds: a machine's speed drifts, and what is compared must have run side by side.
The peers run in programs that stay (peer.py), so that only slices alternate. Writes a Markdown
file, and the same figures as JSON beside the programs.
"""
import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys

import nets

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = {  # name: (program, options, which virtual environment)
    "PyTorch": ("peer_torch.py", [], "torch"),
    "torch.compile": ("peer_torch.py", ["--compile"], "torch"),
    "JAX": ("peer_jax.py", [], "jax"),
    "onnxruntime": ("peer_onnx.py", [], "onnx"),
}
TRAINERS = "PyTorch", "torch.compile", "JAX"
PREDICTORS = "PyTorch", "onnxruntime"
THREADS = 1, 2
MEASURES = 17  # slices a round, all told


class Peer:
    """A peer's program, which measures on request."""

    def __init__(self, name, threads, options):
        script, more, environment = PEERS[name]
        command = [os.path.join(getattr(options, environment), "bin", "python"),
                   os.path.join(HERE, script), "--threads", str(threads), *more]
        quiet = {**os.environ, "OMP_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=quiet)
        self.name, self.threads = name, threads

    def ask(self, what, net, seconds):
        try:
            self.process.stdin.write(f"{what} {net} {seconds}\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            answer = {"error": "it has ended"}
        if isinstance(answer, dict):
            print(f"  {self.name} on {self.threads}, {what} {net}: {answer['error']}",
                  file=sys.stderr)
            return None
        return answer


def start(options):
    peers = {}
    for name in options.peers.split(","):
        for threads in THREADS:
            if getattr(options, PEERS[name][2]):
                peers[name, threads] = Peer(name, threads, options)
    return peers


def run(programs):
    """Runs commands at the same time; what each prints."""
    running = [subprocess.Popen(p, stdout=subprocess.PIPE, text=True) for p in programs]
    return [json.loads(p.communicate()[0].splitlines()[0]) for p in running]


def bench(program, seconds, *more):
    return [program, "bench", "--json", "--seconds", str(seconds), *more]


def one_round(program, net, peers, seconds, figures):
    """Appends one slice of everything to the lists of figures."""
    def add(key, value):
        if value is not None:
            figures.setdefault(key, []).append(value)
    resident = bench(program, seconds, "--resident", "--limit", str(nets.RESIDENT))
    for t in THREADS:
        r = run([[*resident, "--threads", str(t)]])[0]
        add(("netc", t), r["samples_per_second"])
        add(("peak", t), r["peak_percent"])
        r = run([bench(program, seconds, "--threads", str(t))])[0]
        add(("plain", t), r["samples_per_second"])
        for name in TRAINERS:
            if (name, t) in peers:
                add((name, t), peers[name, t].ask("train", net, seconds))
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > 1:
        copies = [["taskset", "-c", str(p), *resident, "--threads", "1"] for p in processors[:2]]
        add(("copies", 2), sum(r["samples_per_second"] for r in run(copies)))
    r = run([bench(program, seconds, "--inference", "--threads", "1")])[0]
    add(("netc", "one"), r["predict_microseconds"])
    add(("netc", "many"), r["eval_samples_per_second"])
    for name in PREDICTORS:
        for what in ("one", "many"):
            if (name, 1) in peers:
                add((name, what), peers[name, 1].ask(what, net, seconds / 2))


def warm(net, peers):
    """What the peers compile, before time is taken."""
    for (name, threads), peer in peers.items():
        if name in TRAINERS:
            peer.ask("train", net, 0.01)


def measure(name, peers, options, seconds):
    spec = nets.NETS[name].spec or name
    folder = os.path.join(options.build, "bench") if spec not in nets.TWELVE else options.build
    figures = {}
    warm(name, peers)
    for _ in range(options.rounds):
        one_round(os.path.join(folder, spec), name, peers, seconds, figures)
    return {key: statistics.median(values) for key, values in figures.items()}


# ---- the report

def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def number(x):
    if x is None:
        return ""
    if x < 100:
        return f"{x:.1f}"
    return f"{x:,.0f}" if x < 1e5 else f"{x / 1e3:,.0f}k"


def pair(f, name):
    return " / ".join(number(f.get((name, t))) for t in THREADS)


def best(f, names):
    return max((f[n, t] for n in names for t in THREADS if (n, t) in f), default=None)


def ratio(f):
    peer = best(f, TRAINERS)
    return best(f, ["netc"]) / peer if peer else None


def training(results, title):
    lines = [f"## {title}", "",
             "| network | netc, 1 / 2 threads | of FMA peak, 1 / 2 | 2 threads / 2 copies "
             "| from bytes, 1 / 2 | PyTorch, 1 / 2 | torch.compile, 1 / 2 | JAX, 1 / 2 "
             "| netc / best peer |", "|---|" + 8 * "---:|"]
    for name, f in results.items():
        peak = " / ".join(f"{f['peak', t]:.0f} %" if f.get(("peak", t)) else "" for t in THREADS)
        copies = f["netc", 2] / f["copies", 2] if f.get(("copies", 2)) else None
        cells = [name, pair(f, "netc"), peak, f"{copies:.2f}" if copies else "", pair(f, "plain"),
                 *(pair(f, n) for n in TRAINERS), f"{ratio(f):.2f}" if ratio(f) else ""]
        lines.append("| " + " | ".join(cells) + " |")
    ratios = [ratio(f) for f in results.values() if ratio(f)]
    if ratios:
        lines += ["", f"Geometric mean {mean(ratios):.2f}, least {min(ratios):.2f}."]
    return lines + [""]


def prediction(results):
    lines = ["## Prediction, one thread", "",
             "| network | netc, us for one | PyTorch | onnxruntime | onnxruntime / netc "
             "| netc, samples/s of many | PyTorch | onnxruntime |", "|---|" + 7 * "---:|"]
    ratios = []
    for name, f in results.items():
        onnx = f.get(("onnxruntime", "one"))
        if onnx:
            ratios.append(onnx / f["netc", "one"])
        cells = [name, number(f["netc", "one"]), number(f.get(("PyTorch", "one"))), number(onnx),
                 f"{ratios[-1]:.2f}" if onnx else "",
                 *(number(f.get((n, "many"))) for n in ("netc", *PREDICTORS))]
        lines.append("| " + " | ".join(cells) + " |")
    if ratios:
        lines += ["", f"Geometric mean {mean(ratios):.2f}, least {min(ratios):.2f}."]
    return lines + [""]


def processor():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":")[1].strip() for line in f if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {len(names)} processors"


def head(options, peers, slices, load):
    compiler = subprocess.run([options.cc, "--version"], capture_output=True, text=True).stdout
    versions = [f"{name} {peers[name, 1].ask('about', '-', 0)}" for name, t in peers
                if t == 1 and name != "torch.compile"]
    return [
        "# Performance", "",
        f"Written by `make bench-peers` on {datetime.date.today()}: {processor()}; "
        f"{compiler.splitlines()[0] if compiler else options.cc}; "
        f"{', '.join(versions) or 'no peers'}. "
        f"Medians of {options.rounds} rounds of slices of {min(slices):.2g} to {max(slices):.2g} s, "
        "all programs of a network in turn. "
        f"Load of the machine when it began: {load:.1f}"
        f"{' (it was busy: take the ratios with care)' if load > 0.5 else ''}.", "",
        "Training figures are samples/s: whole steps, float32, prepared images in memory "
        "(`bench --resident`); *from bytes* is plain `bench`, with the shuffled gather and the "
        "conversion of each batch. The share of the FMA peak is of the peak measured between the "
        "slices, on as many threads. *Copies* are two one-thread programs side by side, one a "
        "core. The models of the peers are in tests/bench; rnn_baseline is measured there with "
        "batches of 64 and without "
        "clipping.", ""]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    for name in ("torch", "jax", "onnx"):
        p.add_argument(f"--{name}", default="", help=f"virtual environment that has it, for {name}")
    p.add_argument("--build", default="build")
    p.add_argument("--cc", default="gcc")
    p.add_argument("--out", default="docs/performance.md")
    p.add_argument("--peers", default=",".join(PEERS))
    p.add_argument("--minutes", type=float, default=40)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("nets", nargs="*", metavar="NET")
    options = p.parse_args()
    names = options.nets or list(nets.NETS)
    unknown = [n for n in names if n not in nets.NETS]
    if unknown:
        p.error(f"no network {unknown[0]}; one of {', '.join(nets.NETS)}")
    load = os.getloadavg()[0]
    peers = start(options)
    begun, results, slices = datetime.datetime.now(), {}, []
    for i, name in enumerate(names):
        spent = (datetime.datetime.now() - begun).total_seconds()
        left = (options.minutes * 60 - spent) / (len(names) - i)
        compiling = 60 if ("torch.compile", 1) in peers else 0
        seconds = min(2, max(0.1, (left - compiling) / (options.rounds * MEASURES)))
        slices.append(seconds)
        print(f"{name} ({i + 1} of {len(names)}), slices of {seconds:.2g} s", flush=True)
        results[name] = measure(name, peers, options, seconds)
    lines = head(options, peers, slices, load)
    for title, some in (("Training the twelve", nets.TWELVE),
                        ("Training ten awkward networks", nets.AWKWARD)):
        part = {n: f for n, f in results.items() if n in some}
        lines += training(part, title) if part else []
    lines += prediction(results)
    with open(options.out, "w") as f:
        f.write("\n".join(lines))
    plain = {n: {" ".join(map(str, k)): v for k, v in f.items()} for n, f in results.items()}
    with open(os.path.join(options.build, "bench", "results.json"), "w") as f:
        json.dump(plain, f, indent=1)
    print(f"wrote {options.out}")
    for peer in peers.values():
        peer.process.stdin.close()
        peer.process.wait()


main()
