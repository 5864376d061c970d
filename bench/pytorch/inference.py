"""npm run -s bench -- inference --json | python bench/pytorch/inference.py [--threads 2] [--runs 10]

Times the same forward pass of ViLT in PyTorch (eager), with our weights and inputs, once it has computed what viltgrad
computes from them, and prints both medians with their ratio. Needs torch."""

import argparse
import statistics
import time

import torch

from arrays import compare, part_of
from ours import read_ours
from vilt import Vilt

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--runs", type=int, default=10)
options = arguments.parse_args()
torch.set_num_threads(options.threads)

ours, arrays = read_ours()
model = Vilt(ours[0]["config"]).eval()
model.load_state_dict(part_of(arrays, "weights/"))
ids, pixels = arrays["inputs/ids"], arrays["inputs/pixels"]

times = []
with torch.inference_mode():
    error = compare("pooled", arrays["pooled"], model.pool(model(ids, pixels)[:, 0]))
    for run in range(-3, options.runs):
        start = time.perf_counter()
        model.pool(model(ids, pixels)[:, 0])
        if run >= 0:
            times.append(1000 * (time.perf_counter() - start))
median = statistics.median(times)
print(f"{ours[0]['preset']}: PyTorch {torch.__version__}, {options.threads} threads: {median:.1f} ms (numbers within {error:.0e})")
for result in ours:
    print(f"  viltgrad, {result['device']}, {result['threads']} threads: {result['medianMs']:.1f} ms, PyTorch's time over ours {median / result['medianMs']:.2f}")
