"""Trains with torch.optim.RMSprop and moves its state in or out as safetensors; run by exchange.system.test.ts.

usage: torch_state.py write FOLDER | torch_state.py read FOLDER

write: 50 steps, then parameters.safetensors and state.safetensors, then 50 more steps and after.safetensors.
read: loads parameters.safetensors and state.safetensors, 50 steps, then after.safetensors.
"""
import json
import struct
import sys

import numpy
import torch

torch.set_num_threads(1)
shapes = {"kernel": (5, 7), "bias": (7,)}
slots = ("square_avg", "momentum_buffer", "grad_avg")


def save(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        raw = numpy.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load(path):
    raw = open(path, "rb").read()
    (length,) = struct.unpack("<Q", raw[:8])
    data = raw[8 + length :]
    entries = {name: each for name, each in json.loads(raw[8 : 8 + length]).items() if name != "__metadata__"}
    return {
        name: numpy.frombuffer(data[each["data_offsets"][0] : each["data_offsets"][1]], "<f4").reshape(each["shape"])
        for name, each in entries.items()
    }


def gradient(shape, step):
    count = int(numpy.prod(shape))
    return torch.tensor([((i * 7 + step * 3) % 11 - 5) / 5 for i in range(count)], dtype=torch.float32).reshape(shape)


def train(optimizer, parameters, steps):
    for step in steps:
        for name, parameter in parameters.items():
            parameter.grad = gradient(shapes[name], step)
        optimizer.step()


def main(action, folder):
    parameters = {name: torch.nn.Parameter(torch.ones(shape)) for name, shape in shapes.items()}
    optimizer = torch.optim.RMSprop(parameters.values(), lr=0.01, momentum=0.9, centered=True)
    if action == "write":
        train(optimizer, parameters, range(50))
        save(f"{folder}/parameters.safetensors", {name: each.detach().numpy() for name, each in parameters.items()})
        state = {}
        for name, parameter in parameters.items():
            held = optimizer.state[parameter]
            state[f"{name}.step"] = numpy.array(float(held["step"]))
            state.update({f"{name}.{slot}": held[slot].numpy() for slot in slots})
        save(f"{folder}/state.safetensors", state)
    else:
        given, state = load(f"{folder}/parameters.safetensors"), load(f"{folder}/state.safetensors")
        for name, parameter in parameters.items():
            parameter.data = torch.tensor(given[name])
            optimizer.state[parameter] = {slot: torch.tensor(state[f"{name}.{slot}"]) for slot in slots}
            optimizer.state[parameter]["step"] = int(state[f"{name}.step"])
    train(optimizer, parameters, range(50, 100))
    save(f"{folder}/after.safetensors", {name: each.detach().numpy() for name, each in parameters.items()})


main(*sys.argv[1:])
