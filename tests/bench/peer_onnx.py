#!/usr/bin/env python3
"""The networks in ONNX, run by onnxruntime: peer_onnx.py --threads N. See peer.py.

Prediction only.
"""
import argparse

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import nets
import peer


class Builder:
    def __init__(self, net, count):
        self.random = np.random.default_rng(1)
        self.nodes, self.weights, self.value, self.count = [], [], "x", count
        shape = (3, 32, 32) if net.layers[0] == ("color",) else (1, 28, 28)
        self.x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (count, *shape))
        shape = (1, 28, 28)
        for layer in net.layers:
            self.add(layer, shape)
            shape = nets.output_shape(layer, shape)
        out = helper.make_tensor_value_info(self.value, TensorProto.FLOAT, (count, *shape))
        graph = helper.make_graph(self.nodes, "net", [self.x], [out], self.weights)
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        self.model.ir_version = 8

    def weight(self, *shape):
        return self.constant((self.random.standard_normal(shape) * 0.05).astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, *inputs, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.value, *inputs], [out], **attributes))
        self.value = out

    def recurrent(self, kind, features, n):
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
        self.node("Transpose", perm=[1, 0, 2])
        more = {"linear_before_reset": 1} if kind == "gru" else {}
        self.node(kind.upper(), self.weight(1, gates * n, features), self.weight(1, gates * n, n),
                  self.weight(1, 2 * gates * n), hidden_size=n, **more)
        self.node("Squeeze", self.constant(np.array([1], np.int64)))
        self.node("Transpose", perm=[1, 0, 2])

    def add(self, layer, shape):
        kind, *a = layer
        if kind == "dense":
            self.node("Gemm", self.weight(a[0], shape[0]), self.weight(a[0]), transB=1)
        elif kind == "conv":
            self.node("Conv", self.weight(a[0], shape[0], a[1], a[1]), self.weight(a[0]),
                      pads=[a[2]] * 4, strides=[a[3]] * 2)
        elif kind == "depthwise":
            self.node("Conv", self.weight(shape[0], 1, a[0], a[0]), self.weight(shape[0]),
                      pads=[a[1]] * 4, group=shape[0])
        elif kind in ("maxpool", "avgpool"):
            self.node("MaxPool" if kind == "maxpool" else "AveragePool", kernel_shape=[a[0]] * 2,
                      strides=[a[0]] * 2)
        elif kind in ("rnn", "lstm", "gru"):
            self.recurrent(kind, shape[1], a[0])
        elif kind == "rows":
            self.node("Squeeze", self.constant(np.array([1], np.int64)))
        elif kind == "last":
            self.node("Gather", self.constant(np.array(27, np.int64)), axis=1)
        elif kind not in ("color", "dropout"):
            self.node({"relu": "Relu", "leaky_relu": "LeakyRelu", "tanh": "Tanh",
                       "flatten": "Flatten"}[kind])


def predictor(count):
    def make(net):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            Builder(net, count).model.SerializeToString(), settings,
            providers=["CPUExecutionProvider"])
        x = peer.inputs(net, peer.samples(count, options.data)[0])
        return lambda: session.run(None, {"x": x}), count
    return make


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
options = parser.parse_args()
peer.serve(onnxruntime.__version__, {"one": predictor(1), "many": predictor(peer.BATCH)})
