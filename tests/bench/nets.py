"""The networks that make bench-peers measures, for PyTorch, JAX and ONNX alike: the twelve of
specs/, and ten awkward ones, which were chosen before any schedule and are not tuned to.

A layer is a tuple: its name and its numbers. A sample is an image [1, 28, 28] until a layer says
otherwise.
"""
from collections import namedtuple

Net = namedtuple("Net", "batch optimizer layers spec")


def net(batch, optimizer, layers, spec=None):
    return Net(batch, optimizer, layers, spec)


def mlp(*units, activation="relu"):
    layers = [("flatten",)]
    for n in units[:-1]:
        layers += [("dense", n), (activation,)]
    return layers + [("dense", units[-1])]


def conv(filters, k, pad=0, stride=1):
    return ("conv", filters, k, pad, stride)


RELU, LEAKY = ("relu",), ("leaky_relu",)


def lenet(f1, f2, pool, drop=0):
    dropout = [("dropout", drop)] if drop else []
    return [conv(f1, 5), RELU, (pool, 2), conv(f2, 5), RELU, (pool, 2), ("flatten",),
            ("dense", 120), RELU, *dropout, ("dense", 84), RELU, *dropout, ("dense", 10)]


def recurrent(kind, units):
    return [("rows",), (kind, units), ("last",), ("dense", 10)]


ALEXNET = [("color",)] + mlp(128, 10)
POINTWISE = [("depthwise", 3, 1), RELU, conv(24, 1), RELU]

TWELVE = {
    "mlp_baseline": net(64, ("sgd", 0.01), mlp(128, 64, 10)),
    "mlp_tuned": net(64, ("adam", 0.005), mlp(256, 128, 64, 10)),
    "alexnet_baseline": net(1, ("sgd", 0.01), ALEXNET),
    "alexnet_tuned": net(1, ("sgd", 0.001), ALEXNET),
    "cnn_baseline": net(128, ("sgd", 0.01), [
        conv(6, 3, 1), RELU, ("maxpool", 2), conv(12, 3, 1), RELU, ("maxpool", 2), ("flatten",),
        ("dense", 10)]),
    "cnn_tuned": net(64, ("sgd", 0.005), [
        conv(16, 3, 1), LEAKY, ("maxpool", 2), conv(24, 3, 1), LEAKY, ("maxpool", 2), ("flatten",),
        ("dense", 200), LEAKY, ("dense", 10)]),
    "lenet_baseline": net(64, ("sgd", 0.01), lenet(6, 16, "avgpool")),
    "lenet_tuned": net(128, ("adam", 0.01), lenet(64, 128, "maxpool", 0.4)),
    # The spec clips the gradient, on batches of 256: a variant does as the peers do.
    "rnn_baseline": net(64, ("adam", 0.005), recurrent("rnn", 128), "rnn_baseline_64"),
    "rnn_tuned": net(64, ("rmsprop", 0.001), recurrent("rnn", 256)),
    "lstm_baseline": net(64, ("adam", 0.01), recurrent("lstm", 128)),
    "lstm_tuned": net(64, ("sgd", 0.005), recurrent("lstm", 192)),
}

AWKWARD = {
    "channels_7_13": net(64, ("sgd", 0.01), [
        conv(7, 5), RELU, ("maxpool", 2), conv(13, 5), RELU, ("maxpool", 2), ("flatten",),
        ("dense", 10)]),
    "dense_37": net(64, ("sgd", 0.01), mlp(37, 37, 10)),
    "batch_50": net(50, ("sgd", 0.01), [
        conv(8, 3, 1), RELU, ("maxpool", 2), ("flatten",), ("dense", 64), RELU, ("dense", 10)]),
    "stride_2": net(64, ("adam", 0.001), [
        conv(16, 3, 1, 2), RELU, conv(32, 3, 1, 2), RELU, ("flatten",), ("dense", 10)]),
    "odd_images": net(64, ("sgd", 0.01), [
        conv(10, 4), RELU, ("maxpool", 3), conv(20, 3), RELU, ("maxpool", 2), ("flatten",),
        ("dense", 10)]),
    "gru_100": net(64, ("adam", 0.001), recurrent("gru", 100)),
    "depthwise": net(64, ("adam", 0.001), [
        conv(16, 3, 1, 2), RELU, *POINTWISE, *POINTWISE, ("flatten",), ("dense", 10)]),
    "five_layers": net(64, ("sgd", 0.01), [
        *5 * [conv(4, 3, 1), RELU], ("maxpool", 4), ("flatten",), ("dense", 10)]),
    "tanh_300_100": net(100, ("momentum", 0.01), mlp(300, 100, 10, activation="tanh")),
    "filters_7": net(32, ("sgd", 0.01), [
        conv(9, 7), LEAKY, ("avgpool", 2), conv(11, 3), LEAKY, ("flatten",), ("dense", 50), RELU,
        ("dense", 10)]),
}

NETS = {**TWELVE, **AWKWARD}
DROPOUT_SEED = 1
RESIDENT = 4096  # prepared samples in memory, as in `bench --resident`


def has_images(n):
    return any(layer[0] in ("conv", "depthwise") for layer in n.layers)


def output_shape(layer, shape):
    """What a layer makes of a sample's shape."""
    kind, *a = layer
    if kind == "color":
        return (3, 32, 32)
    if kind == "flatten":
        size = 1
        for extent in shape:
            size *= extent
        return (size,)
    if kind == "rows":
        return shape[1:]
    if kind == "dense":
        return (a[0],)
    if kind in ("rnn", "lstm", "gru"):
        return (shape[0], a[0])
    if kind == "last":
        return shape[1:]
    if kind in ("maxpool", "avgpool"):
        return (shape[0], shape[1] // a[0], shape[2] // a[0])
    if kind == "conv":
        filters, k, pad, stride = a
        return (filters, *((x + 2 * pad - k) // stride + 1 for x in shape[1:]))
    if kind == "depthwise":
        k, pad = a
        return (shape[0], *(x + 2 * pad - k + 1 for x in shape[1:]))
    return shape
