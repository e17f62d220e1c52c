#!/usr/bin/env python3
"""The study's twelve networks in PyTorch, with the choices that specs/*.net state.

What the compiled networks are compared with: the same architecture, initial weights, input,
optimizer, rate, batch and epochs, with PyTorch's random numbers. Each is trained with the seeds
1, 2 and 3; a training's end appends to the CSV file

    spec,seed,accuracy,precision,recall,f1,epochs,seconds,torch

measured on the test images with the last epoch's weights; precision, recall and F1 are means over
the classes, and a class that was never predicted has precision 0. The seconds are of training
alone. What the file has already is not repeated, so a run can be stopped and started again; take
out the lines of a spec that has changed.

Needs PyTorch and NumPy, and the files of the Debian package dataset-fashion-mnist.
"""
import argparse
import csv
import gzip
import math
import os
import time
from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = "spec seed accuracy precision recall f1 epochs seconds torch".split()
SEEDS = 1, 2, 3


# ---- initial weights: standard deviations of normal distributions; biases are 0

def small(fan_in, fan_out):
    return 0.01


def he(fan_in, fan_out):
    return math.sqrt(2 / fan_in)


def xavier(fan_in, fan_out):
    return math.sqrt(2 / (fan_in + fan_out))


def initial(weight, deviation):
    """Fills a weight of shape [outputs, inputs, taps...]."""
    taps = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * taps, weight.shape[0] * taps
    nn.init.normal_(weight, 0, deviation(fan_in, fan_out))


# ---- layers

def dense(inputs, units, init=he):
    layer = nn.Linear(inputs, units)
    initial(layer.weight, init)
    nn.init.zeros_(layer.bias)
    return layer


def conv(channels, filters, k, pad=0):
    layer = nn.Conv2d(channels, filters, k, padding=pad)
    initial(layer.weight, he)
    nn.init.zeros_(layer.bias)
    return layer


class LastOf(nn.Module):
    """A recurrent layer over the image's rows, and its last output.

    PyTorch's cells have two biases that are only ever added, which doubles the bias's rate;
    the specs' have one, so the second stays 0 here.
    """

    def __init__(self, kind, units):
        super().__init__()
        self.cell = cell = kind(28, units, batch_first=True)
        initial(cell.weight_ih_l0, xavier)
        initial(cell.weight_hh_l0, xavier)
        nn.init.zeros_(cell.bias_ih_l0)
        nn.init.zeros_(cell.bias_hh_l0)
        cell.bias_hh_l0.requires_grad_(False)
        if kind is nn.LSTM:                     # gates: input, forget, candidate, output
            nn.init.ones_(cell.bias_ih_l0.data[units:2 * units])

    def forward(self, images):
        return self.cell(images[:, 0])[0][:, -1]


def perceptron(inputs, *units):
    layers = [nn.Flatten()]
    for n in units:
        layers += [dense(inputs, n, small), nn.ReLU()]
        inputs = n
    return nn.Sequential(*layers[:-1])


def recurrent(kind, units):
    return nn.Sequential(LastOf(kind, units), dense(units, 10, xavier))


def cnn_baseline():
    return nn.Sequential(
        conv(1, 6, 3, pad=1), nn.ReLU(), nn.MaxPool2d(2),
        conv(6, 12, 3, pad=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        dense(12 * 7 * 7, 10))


def cnn_tuned():
    return nn.Sequential(
        conv(1, 16, 3, pad=1), nn.LeakyReLU(0.01), nn.MaxPool2d(2),
        conv(16, 24, 3, pad=1), nn.LeakyReLU(0.01), nn.MaxPool2d(2),
        nn.Flatten(),
        dense(24 * 7 * 7, 200), nn.LeakyReLU(0.01),
        dense(200, 10))


def lenet_baseline():
    return nn.Sequential(
        conv(1, 6, 5), nn.ReLU(), nn.AvgPool2d(2),
        conv(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(),
        dense(16 * 4 * 4, 120), nn.ReLU(),
        dense(120, 84), nn.ReLU(),
        dense(84, 10))


def lenet_tuned():
    return nn.Sequential(
        conv(1, 64, 5), nn.ReLU(), nn.MaxPool2d(2),
        conv(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        dense(128 * 4 * 4, 120), nn.ReLU(), nn.Dropout(0.4),
        dense(120, 84), nn.ReLU(), nn.Dropout(0.4),
        dense(84, 10))


# ---- the specs

def sgd(parameters, lr):
    return torch.optim.SGD(parameters, lr=lr, fused=True)


def adam(parameters, lr):
    return torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


def rmsprop(parameters, lr):
    return torch.optim.RMSprop(parameters, lr=lr, alpha=0.99, eps=1e-8)


@dataclass
class Spec:
    net: Callable[[], nn.Module]
    optimizer: Callable
    lr: float
    batch: int
    epochs: int
    cosine: bool = False                        # the rate falls to 0 along a cosine, step by step
    clip_norm: Optional[float] = None
    size: int = 28                              # images are resized to size x size
    channels: int = 1
    standardize: bool = False


SPECS = {                                       # the quick ones first
    "mlp_baseline": Spec(lambda: perceptron(784, 128, 64, 10), sgd, 0.01, 64, 10,
                         standardize=True),
    "mlp_tuned": Spec(lambda: perceptron(784, 256, 128, 64, 10), adam, 0.005, 64, 20, cosine=True),
    "alexnet_baseline": Spec(lambda: perceptron(3 * 32 * 32, 128, 10), sgd, 0.01, 1, 5,
                             cosine=True, size=32, channels=3),
    "alexnet_tuned": Spec(lambda: perceptron(3 * 32 * 32, 128, 10), sgd, 0.001, 1, 15,
                          cosine=True, size=32, channels=3, standardize=True),
    "rnn_baseline": Spec(lambda: recurrent(nn.RNN, 128), adam, 0.005, 256, 10, cosine=True,
                         clip_norm=1.0),
    "cnn_baseline": Spec(cnn_baseline, sgd, 0.01, 128, 10),
    "lenet_baseline": Spec(lenet_baseline, sgd, 0.01, 64, 10, standardize=True),
    "rnn_tuned": Spec(lambda: recurrent(nn.RNN, 256), rmsprop, 0.001, 64, 15, cosine=True),
    "cnn_tuned": Spec(cnn_tuned, sgd, 0.005, 64, 15),
    "lstm_baseline": Spec(lambda: recurrent(nn.LSTM, 128), adam, 0.01, 64, 10),
    "lstm_tuned": Spec(lambda: recurrent(nn.LSTM, 192), sgd, 0.005, 64, 15),
    "lenet_tuned": Spec(lenet_tuned, adam, 0.01, 128, 15),
}


# ---- data

def read_idx(folder, name):
    with gzip.open(os.path.join(folder, name)) as f:
        head = f.read(4)
        shape = [int.from_bytes(f.read(4), "big") for _ in range(head[3])]
        return torch.from_numpy(np.frombuffer(f.read(), np.uint8).reshape(shape).copy())


class Data:
    """Images as numbers from 0 to 1, and labels."""

    def __init__(self, folder):
        self.train, self.test = [
            (read_idx(folder, f"{part}-images-idx3-ubyte.gz").unsqueeze(1).float() / 255,
             read_idx(folder, f"{part}-labels-idx1-ubyte.gz").long()) for part in ("train", "t10k")]
        pixels = self.train[0].double()
        self.mean, self.std = pixels.mean().item(), pixels.std(correction=0).item()

    def prepared(self, spec, part):
        """What a spec does to the images, short of the replication, which goes batch by batch."""
        images, labels = part
        if spec.size != 28:
            images = F.interpolate(images, size=(spec.size, spec.size), mode="bilinear",
                                   align_corners=False)
        if spec.standardize:
            images = (images - self.mean) / self.std
        return images, labels


# ---- training

def rate(spec, step, steps):
    """The learning rate of a step, counted from 0."""
    return spec.lr * 0.5 * (1 + math.cos(math.pi * step / steps)) if spec.cosine else spec.lr


def clip(parameters, longest):
    norm = torch.sqrt(sum(p.grad.square().sum() for p in parameters))
    if norm > longest:
        for p in parameters:
            p.grad.mul_(longest / norm)


class Autograd:
    """A step on a batch, the usual way."""

    def __init__(self, spec, net):
        self.spec, self.net = spec, net
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        self.optimizer = spec.optimizer(self.parameters, spec.lr)

    def step(self, images, labels, lr):
        self.optimizer.param_groups[0]["lr"] = lr
        loss = F.cross_entropy(self.net(images.expand(-1, self.spec.channels, -1, -1)), labels)
        self.optimizer.zero_grad()
        loss.backward()
        if self.spec.clip_norm:
            clip(self.parameters, self.spec.clip_norm)
        self.optimizer.step()
        return loss.item()


class OneByOne:
    """The same for a batch of one through dense, relu, dense with plain gradient descent.

    At one sample a step, autograd takes several times as long as the arithmetic does, so the
    derivatives are written out; agrees() holds them to autograd's.
    """

    def __init__(self, spec, net):
        self.spec = spec
        self.w1, self.b1, self.w2, self.b2 = (p.data for p in net.parameters())
        self.one_hot = torch.eye(len(self.b2), dtype=self.b2.dtype)

    def step(self, images, labels, lr):
        with torch.inference_mode():
            label = labels.item()
            x = images[0].expand(self.spec.channels, -1, -1).reshape(-1)
            h = torch.addmv(self.b1, self.w1, x).relu_()
            d2 = torch.log_softmax(torch.addmv(self.b2, self.w2, h), 0)
            loss = -d2[label].item()
            d2.exp_().sub_(self.one_hot[label])
            d1 = torch.mv(self.w2.t(), d2).mul_(h > 0)
            self.w2.addr_(d2, h, alpha=-lr)
            self.b2.sub_(d2, alpha=lr)
            self.w1.addr_(d1, x, alpha=-lr)
            self.b1.sub_(d1, alpha=lr)
        return loss


def agrees(spec, images, labels, steps=200):
    """Whether both ways to take a step lead to the same weights, in double."""
    one, other = spec.net().double(), spec.net().double()
    other.load_state_dict(one.state_dict())
    a, b = Autograd(spec, one), OneByOne(spec, other)
    for i in range(steps):
        batch = images[i:i + 1].double(), labels[i:i + 1], spec.lr
        if not math.isclose(a.step(*batch), b.step(*batch), rel_tol=1e-10, abs_tol=1e-12):
            return False
    return all(torch.allclose(p, q, rtol=1e-10, atol=1e-12)
               for p, q in zip(one.parameters(), other.parameters()))


def train(name, spec, seed, images, labels):
    """Returns the trained network and the seconds that it took."""
    if spec.batch == 1 and not agrees(spec, images, labels):
        raise SystemExit(f"{name}: the step written out differs from autograd's")
    torch.manual_seed(seed)
    net = spec.net()
    trainer = (OneByOne if spec.batch == 1 else Autograd)(spec, net)
    per_epoch = -(-len(images) // spec.batch)
    step, seconds = 0, 0.0
    net.train()
    for epoch in range(spec.epochs):
        start, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(images)).split(spec.batch):
            lr = rate(spec, step, spec.epochs * per_epoch)
            total += len(batch) * trainer.step(images[batch], labels[batch], lr)
            step += 1
        took = time.perf_counter() - start
        seconds += took
        print(f"{name}, seed {seed}, epoch {epoch + 1}/{spec.epochs}: "
              f"loss {total / len(images):.4f}, {len(images) / took:.0f} samples/s", flush=True)
    return net, seconds


@torch.inference_mode()
def test(net, spec, images, labels):
    """Accuracy; macro precision, recall and F1."""
    net.eval()
    predicted = torch.cat([net(part.expand(-1, spec.channels, -1, -1)).argmax(1)
                           for part in images.split(500)])
    hits = torch.bincount(labels[predicted == labels], minlength=10).double()
    of_class, as_class = (torch.bincount(x, minlength=10) for x in (labels, predicted))
    return [(predicted == labels).double().mean().item(),
            (hits / as_class.clamp(min=1)).mean().item(),
            (hits / of_class.clamp(min=1)).mean().item(),
            (2 * hits / (as_class + of_class).clamp(min=1)).mean().item()]


def finished(path):
    if not os.path.exists(path):
        return set()
    with open(path, newline="") as f:
        return {(row["spec"], int(row["seed"])) for row in csv.DictReader(f)}


def append(path, row):
    new = not os.path.exists(path)
    with open(path, "a", newline="") as f:
        write = csv.writer(f, lineterminator="\n").writerow
        if new:
            write(COLUMNS)
        write(row)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist",
                        help="folder of the data set's gz files (default: %(default)s)")
    parser.add_argument("--csv", default=os.path.join(HERE, "torch_accuracy.csv"),
                        help="file to append to (default: torch_accuracy.csv beside this script)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--only", action="append", choices=SPECS, metavar="NAME",
                        help="train this spec; may be given several times")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)              # as the specs' optimizers do with their state

    data = Data(options.data)
    for name in options.only or SPECS:
        spec = SPECS[name]
        for seed in SEEDS:
            if (name, seed) in finished(options.csv):
                continue
            net, seconds = train(name, spec, seed, *data.prepared(spec, data.train))
            measured = test(net, spec, *data.prepared(spec, data.test))
            append(options.csv, [name, seed, *(f"{x:.4f}" for x in measured), spec.epochs,
                                 f"{seconds:.0f}", torch.__version__])
            print(f"{name}, seed {seed}: accuracy {measured[0]:.4f}, F1 {measured[3]:.4f}",
                  flush=True)


if __name__ == "__main__":
    main()
