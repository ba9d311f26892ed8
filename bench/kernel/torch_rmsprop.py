"""PyTorch's torch.optim.RMSprop, driven line by line over stdin; every answer is one line of JSON.

The first line names the version. A line `foreach threads size steps` (foreach is 0 or 1) answers the nanoseconds of that many
steps. Gradients are those of gradients.ts.
"""

import json
import sys
import time


def say(**answer):
    print(json.dumps(answer), flush=True)


try:
    import torch
except ImportError:
    say(missing="python3-torch")
    sys.exit(0)


def parameter(size):
    mixed = (torch.arange(size, dtype=torch.int64) * 2654435761) % 4294967296
    p = torch.zeros(size, requires_grad=True)
    p.grad = ((mixed.double() / 4294967296 - 0.5) * 0.02).float()
    return p


def nanoseconds(optimizer, steps):
    start = time.perf_counter_ns()
    for _ in range(steps):
        optimizer.step()
    return time.perf_counter_ns() - start


say(torch=torch.__version__)
held = None
for line in sys.stdin:
    foreach, threads, size, steps = map(int, line.split())
    if held != size:
        held, p, optimizers = size, None, {}
        p = parameter(size)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if foreach not in optimizers:
        optimizers[foreach] = torch.optim.RMSprop([p], lr=0.001, alpha=0.9, eps=1e-8, foreach=bool(foreach))
    say(ns=nanoseconds(optimizers[foreach], steps))
