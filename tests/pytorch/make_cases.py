#!/usr/bin/env python3
"""Writes cases.txt beside it: what PyTorch computes for 200 random layers, in double.

Run by hand in a virtual environment with torch and numpy; unit_pytorch.c compares. Inputs are not
stored: element i of tensor t of a case is noise(case, t, i). A case is a line
    KIND samples channels height width filters kernel stride padding dilation
then a line for each tensor: NAME size, some of its elements (every ceil(size / 16)-th), and the sum
of element i * noise(case, 99, i), which all elements enter. The loss is the sum of
output * noise(case, 9, i) over the number of samples.
"""
import os
import random

import numpy as np
import torch
import torch.nn.functional as F

KINDS = ["conv"] * 80 + ["maxpool"] * 50 + ["avgpool"] * 40 + ["batchnorm"] * 30


def noise(case, tensor, size):
    """In [-1, 1), multiples of 2^-20: SplitMix64 of the place."""
    i = np.arange(size, dtype=np.uint64)
    z = np.uint64(case) * np.uint64(1 << 40) + np.uint64(tensor) * np.uint64(1 << 32) + i
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(43)
    return z.astype(np.float64) / (1 << 20) - 1


def leaf(case, tensor, *shape):
    size = int(np.prod(shape))
    return torch.tensor(noise(case, tensor, size).reshape(shape), requires_grad=True)


def shape_of(kind, r):
    """A random layer that has an output."""
    while True:
        n, c, h, w = r.randint(1, 3), r.randint(1, 4), r.randint(1, 11), r.randint(1, 11)
        f, k, stride = r.randint(1, 4), r.randint(1, 5), r.randint(1, 4)
        dilation = r.choice([1, 1, 2, 3]) if kind in ("conv", "maxpool") else 1
        pad = r.randint(0, k) if kind == "conv" else r.randint(0, k // 2)
        span = dilation * (k - 1) + 1
        if kind == "batchnorm" and n * h * w > 1:
            return n, c, h, w, 0, 0, 0, 0, 0
        if kind != "batchnorm" and h + 2 * pad >= span and w + 2 * pad >= span:
            return n, c, h, w, f if kind == "conv" else 0, k, stride, pad, dilation


def run(case, kind, n, c, h, w, f, k, stride, pad, dilation):
    """The output and the leaves by name."""
    leaves = {"x": leaf(case, 0, n, c, h, w)}
    x = leaves["x"]
    if kind == "conv":
        leaves["K"], leaves["b"] = leaf(case, 1, f, c, k, k), leaf(case, 2, f)
        out = F.conv2d(x, leaves["K"], leaves["b"], stride, pad, dilation)
    elif kind == "maxpool":
        out = F.max_pool2d(x, k, stride, pad, dilation)
    elif kind == "avgpool":
        out = F.avg_pool2d(x, k, stride, pad)
    else:
        leaves["gamma"], leaves["beta"] = leaf(case, 1, c), leaf(case, 2, c)
        out = F.batch_norm(x, None, None, leaves["gamma"], leaves["beta"], training=True, eps=1e-5)
    return out, leaves


def line(case, name, t):
    a = t.detach().numpy().ravel()
    some = a[:: (a.size + 15) // 16]
    total = float(np.sum(a * noise(case, 99, a.size)))
    return " ".join([name, str(a.size)] + [f"{v:.15g}" for v in some] + [f"{total:.15g}"])


def main():
    r = random.Random(1)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt"), "w") as file:
        for case, kind in enumerate(KINDS):
            shape = shape_of(kind, r)
            out, leaves = run(case, kind, *shape)
            target = torch.tensor(noise(case, 9, out.numel()).reshape(out.shape))
            ((out * target).sum() / shape[0]).backward()
            print(kind, *shape, file=file)
            print(line(case, "out", out), file=file)
            for name, t in leaves.items():
                print(line(case, "d_" + name, t.grad), file=file)


main()
