#!/usr/bin/env python3
"""The networks in JAX: peer_jax.py --threads N. See peer.py.

Dense and recurrent networks train in one jitted scan over many batches; convolutional ones in a
jitted step a batch, because XLA's convolution is several times slower inside a loop on a CPU.
"""
import argparse
import os
from functools import partial

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
options = parser.parse_args()
if options.threads == 1:  # XLA sizes its pool by the processors it may run on
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import nets
import peer


def normal(key, shape, fan_in):
    return jax.random.normal(key, shape) * (2 / fan_in) ** 0.5


def parameters(layer, shape, key):
    """Images have their channels last."""
    kind, *a = layer
    if kind == "dense":
        return {"w": normal(key, (shape[0], a[0]), shape[0]), "b": jnp.zeros(a[0])}
    if kind == "conv":
        k, c = a[1], shape[0]
        return {"w": normal(key, (k, k, c, a[0]), k * k * c), "b": jnp.zeros(a[0])}
    if kind == "depthwise":
        k, c = a[0], shape[0]
        return {"w": normal(key, (k, k, 1, c), k * k), "b": jnp.zeros(c)}
    if kind in ("rnn", "lstm", "gru"):
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind] * a[0]
        p = {"x": normal(key, (shape[1], gates), shape[1]), "b": jnp.zeros(gates),
             "h": normal(key, (a[0], gates), a[0])}
        return {**p, "c": jnp.zeros(gates)} if kind == "gru" else p
    return {}


def convolve(x, w, pad, stride, groups):
    return lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                    feature_group_count=groups)


def pool(x, k, average):
    window = (1, k, k, 1)
    if average:
        return lax.reduce_window(x, 0., lax.add, window, window, "VALID") / (k * k)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


def cell(kind, p, units):
    def rnn(h, z):
        h = jnp.tanh(z + h @ p["h"])
        return h, h

    def lstm(s, z):
        h, c = s
        i, f, g, o = jnp.split(z + h @ p["h"], 4, 1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(h, a):
        s = h @ p["h"] + p["c"]
        r = jax.nn.sigmoid(a[:, :units] + s[:, :units])
        z = jax.nn.sigmoid(a[:, units:2 * units] + s[:, units:2 * units])
        h = (1 - z) * jnp.tanh(a[:, 2 * units:] + r * s[:, 2 * units:]) + z * h
        return h, h
    return {"rnn": rnn, "lstm": lstm, "gru": gru}[kind]


def recur(kind, p, x, units):
    z = x.swapaxes(0, 1) @ p["x"] + p["b"]  # every step's part of the input at once
    h = jnp.zeros((x.shape[0], units))
    _, out = lax.scan(cell(kind, p, units), (h, h) if kind == "lstm" else h, z)
    return out.swapaxes(0, 1)


def apply_layer(layer, p, x, key):
    kind, *a = layer
    if kind == "dense":
        return x @ p["w"] + p["b"]
    if kind == "conv":
        return convolve(x, p["w"], a[2], a[3], 1) + p["b"]
    if kind == "depthwise":
        return convolve(x, p["w"], a[1], 1, x.shape[3]) + p["b"]
    if kind in ("maxpool", "avgpool"):
        return pool(x, a[0], kind == "avgpool")
    if kind in ("rnn", "lstm", "gru"):
        return recur(kind, p, x, a[0])
    if kind == "dropout":
        keep = 1 - a[0]
        if key is None:
            return x
        return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0)
    return {"relu": jax.nn.relu, "leaky_relu": jax.nn.leaky_relu, "tanh": jnp.tanh,
            "flatten": lambda x: x.reshape(x.shape[0], -1), "rows": lambda x: x[..., 0],
            "last": lambda x: x[:, -1], "color": lambda x: x}[kind](x)


def build(net):
    keys = jax.random.split(jax.random.PRNGKey(nets.DROPOUT_SEED), len(net.layers))
    shape, ps = (1, 28, 28), []
    for layer, key in zip(net.layers, keys):
        ps.append(parameters(layer, shape, key))
        shape = nets.output_shape(layer, shape)

    def forward(ps, x, key):
        for i, (layer, p) in enumerate(zip(net.layers, ps)):
            x = apply_layer(layer, p, x, None if key is None else jax.random.fold_in(key, i))
        return x
    return ps, forward


def tensors(net, n):
    x, y = peer.samples(n, options.data)
    return peer.inputs(net, x).transpose(0, 2, 3, 1), y.astype(np.int32)


def train(net, resident=nets.RESIDENT):
    ps, forward = build(net)
    kind, rate = net.optimizer
    rule = {"sgd": optax.sgd, "adam": optax.adam, "momentum": partial(optax.sgd, momentum=0.9),
            "rmsprop": partial(optax.rmsprop, decay=0.99)}[kind](rate)
    few = net.batch == 1 or net.layers[0] == ("rows",)
    count = (min(1024, resident) if few else resident) // net.batch * net.batch
    x, y = tensors(net, count)
    bx = jnp.asarray(x.reshape(-1, net.batch, *x.shape[1:]))
    by = jnp.asarray(y.reshape(-1, net.batch))
    keys = jax.random.split(jax.random.PRNGKey(nets.DROPOUT_SEED), len(bx))

    def loss(ps, x, y, key):
        return optax.softmax_cross_entropy_with_integer_labels(forward(ps, x, key), y).mean()

    def step(state, batch):
        ps, moments = state
        value, gradient = jax.value_and_grad(loss)(ps, *batch)
        change, moments = rule.update(gradient, moments, ps)
        return (optax.apply_updates(ps, change), moments), value
    held = {"state": (ps, rule.init(ps)), "at": 0}
    if nets.has_images(net):
        jitted = partial(jax.jit, donate_argnums=0)(step)
        bx, by, keys = list(bx), list(by), list(keys)

        def one_batch():
            at = held["at"]
            held["state"], value = jitted(held["state"], (bx[at], by[at], keys[at]))
            held["at"] = (at + 1) % len(bx)
            value.block_until_ready()
        return one_batch, net.batch
    epoch = partial(jax.jit, donate_argnums=0)(lambda s: lax.scan(step, s, (bx, by, keys)))

    def all_batches():
        held["state"], value = epoch(held["state"])
        value.block_until_ready()
    return all_batches, count


def predictor(count):
    def make(net):
        ps, forward = build(net)
        x = jnp.asarray(tensors(net, count)[0])
        run = jax.jit(lambda x: forward(ps, x, None))
        return lambda: run(x).block_until_ready(), count
    return make


peer.serve(jax.__version__, {"train": train, "one": predictor(1), "many": predictor(peer.BATCH)})
