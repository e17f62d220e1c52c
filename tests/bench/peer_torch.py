#!/usr/bin/env python3
"""The networks in PyTorch: peer_torch.py --threads N [--compile]. See peer.py."""
import argparse

import torch
from torch import nn
from torch.nn import functional as F

import nets
import peer


class Recurrent(nn.Module):
    def __init__(self, kind, features, units):
        super().__init__()
        self.cell = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](
            features, units, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def rows(x):
    return x[:, 0]


def last(x):
    return x[:, -1]


def module(layer, shape):
    kind, *a = layer
    if kind == "dense":
        return nn.Linear(shape[0], a[0])
    if kind == "conv":
        return nn.Conv2d(shape[0], a[0], a[1], padding=a[2], stride=a[3])
    if kind == "depthwise":
        return nn.Conv2d(shape[0], shape[0], a[0], padding=a[1], groups=shape[0])
    if kind in ("rnn", "lstm", "gru"):
        return Recurrent(kind, shape[1], a[0])
    simple = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh, "flatten": nn.Flatten,
              "maxpool": nn.MaxPool2d, "avgpool": nn.AvgPool2d, "dropout": nn.Dropout,
              "color": nn.Identity}
    return simple[kind](*a) if kind in simple else Apply({"rows": rows, "last": last}[kind])


def build(net):
    shape, modules = (1, 28, 28), []
    for layer in net.layers:
        modules.append(module(layer, shape))
        shape = nets.output_shape(layer, shape)
    return nn.Sequential(*modules)


def optimizer(net, model):
    kind, rate = net.optimizer
    p = model.parameters()
    if kind == "adam":
        return torch.optim.Adam(p, lr=rate)
    if kind == "rmsprop":
        return torch.optim.RMSprop(p, lr=rate, alpha=0.99)
    return torch.optim.SGD(p, lr=rate, momentum=0.9 if kind == "momentum" else 0)


def tensors(net, n):
    x, y = peer.samples(n, options.data)
    return torch.from_numpy(peer.inputs(net, x)), torch.from_numpy(y)


def train(net, resident=nets.RESIDENT):
    model = build(net)
    rule = optimizer(net, model)
    run = torch.compile(model) if options.compile else model
    x, y = tensors(net, resident)
    state = {"at": 0}

    def step():
        at = state["at"]
        rule.zero_grad()
        F.cross_entropy(run(x[at:at + net.batch]), y[at:at + net.batch]).backward()
        rule.step()
        state["at"] = at + net.batch if at + 2 * net.batch <= len(x) else 0
    return step, net.batch


def predictor(count):
    def make(net):
        model = build(net).eval()
        run = torch.compile(model) if options.compile else model
        x, _ = tensors(net, count)

        def step():
            with torch.inference_mode():
                run(x)
        return step, count
    return make


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
parser.add_argument("--compile", action="store_true")
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(1)
if options.compile:
    torch._dynamo.config.cache_size_limit = 64
peer.serve(torch.__version__, {"train": train, "one": predictor(1), "many": predictor(peer.BATCH)})
