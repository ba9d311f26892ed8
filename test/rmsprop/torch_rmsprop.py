"""Folds gradients with torch.optim.RMSprop; run by torch.system.test.ts.

usage: torch_rmsprop.py JSON < gradients > parameters

The JSON is { shapes, steps, report, cases }. Both streams are raw little-endian float32. Input: the initial parameters of
every tensor, then the gradients of every tensor for each step. Output: for each case, the parameters after each of the
steps in "report".
"""
import json
import sys

import numpy
import torch

torch.set_num_threads(1)
asked = json.loads(sys.argv[1])
stream = numpy.frombuffer(sys.stdin.buffer.read(), dtype="<f4").reshape(asked["steps"] + 1, -1)


def tensors(flat):
    """One tensor for each shape, from the floats of all of them."""
    place = 0
    for shape in asked["shapes"]:
        length = int(numpy.prod(shape))
        yield torch.from_numpy(flat[place : place + length].reshape(shape).copy())
        place += length


def fold(case):
    """Writes the parameters of one case."""
    parameters = [torch.nn.Parameter(each) for each in tensors(stream[0])]
    optimizer = torch.optim.RMSprop(parameters, **case["rmsprop"])
    for step in range(1, asked["steps"] + 1):
        for parameter, gradient in zip(parameters, tensors(stream[step])):
            parameter.grad = gradient
        if "clip_grad_norm" in case:
            torch.nn.utils.clip_grad_norm_(parameters, case["clip_grad_norm"])
        if "clip_grad_value" in case:
            torch.nn.utils.clip_grad_value_(parameters, case["clip_grad_value"])
        optimizer.step()
        if step in asked["report"]:
            for parameter in parameters:
                sys.stdout.buffer.write(parameter.detach().numpy().astype("<f4").tobytes())


for case in asked["cases"]:
    fold(case)
