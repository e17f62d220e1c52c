"""What the peers' programs share: samples, timing, and the loop that serves requests.

A request is a line on standard input: WHAT NET SECONDS; the answer is a line of JSON. `train` is
samples/s of whole steps on resident samples; `one` microseconds for a single sample's prediction;
`many` predictions/s on batches of 500; `about` the version; `first` makes one training step, on
the samples of one batch, and answers with the time of day. What is compiled is compiled before
time is taken, and kept, so that requests to several programs can be interleaved.
"""
import gzip
import json
import os
import sys
import time

import nets

BATCH = 500


def samples(n, folder):
    """n images [n, 1, 28, 28] in 0 .. 1, and their labels."""
    import numpy as np

    def idx(name, head, size):
        with gzip.open(os.path.join(folder, name)) as f:
            return np.frombuffer(f.read(head + n * size), np.uint8, offset=head)
    x = idx("train-images-idx3-ubyte.gz", 16, 784).reshape(-1, 1, 28, 28)
    return x.astype(np.float32) / 255, idx("train-labels-idx1-ubyte.gz", 8, 1).astype(np.int64)


def inputs(net, x):
    """Images as the network takes them: three equal channels of 32 x 32 for some."""
    import numpy as np
    if net.layers[0] != ("color",):
        return x
    at = (np.arange(32) + 0.5) * 28 / 32 - 0.5
    low = np.floor(at).astype(int)
    part = (at - low).astype(np.float32)
    low, high = low.clip(0, 27), (low + 1).clip(0, 27)
    x = x[:, :, low] * (1 - part)[:, None] + x[:, :, high] * part[:, None]
    x = x[..., low] * (1 - part) + x[..., high] * part
    return np.ascontiguousarray(np.broadcast_to(x, (len(x), 3, 32, 32)))


def rate(step, seconds, slices=5):
    """The median over slices of calls a second."""
    rates = []
    for _ in range(slices):
        begun, calls = time.perf_counter(), 0
        while calls == 0 or time.perf_counter() - begun < seconds / slices:
            step()
            calls += 1
        rates.append(calls / (time.perf_counter() - begun))
    return sorted(rates)[slices // 2]


def serve(about, makers):
    """makers: WHAT -> a function of the net that returns (step, samples a step)."""
    made = {}
    for line in sys.stdin:
        what, name, seconds = line.split()
        try:
            if what == "about":
                answer = about
            elif what == "first":
                makers["train"](nets.NETS[name], nets.NETS[name].batch)[0]()
                answer = time.time()
            else:
                key = what, name
                if key not in made:
                    made.clear()
                    made[key] = makers[what](nets.NETS[name])
                    for _ in range(2):
                        made[key][0]()
                step, count = made[key]
                calls = rate(step, float(seconds))
                answer = 1e6 / calls if what == "one" else calls * count
            print(json.dumps(answer), flush=True)
        except Exception as error:  # one network that fails does not end a run of an hour
            print(json.dumps({"error": str(error).split("\n")[0]}), flush=True)
