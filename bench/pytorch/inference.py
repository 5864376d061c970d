"""npm run -s bench -- inference --json | python bench/pytorch/inference.py [--threads 2] [--runs 10]

Times the same forward pass of ViLT in PyTorch (eager): the same shapes, from the `config` of our own results, and prints
both medians with their ratio. Needs torch."""

import argparse
import json
import statistics
import sys
import time

import torch

from vilt import Vilt, check_size

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--runs", type=int, default=10)
options = arguments.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)

ours = json.load(sys.stdin)["results"]
c = ours[0]["config"]
model = Vilt(c).eval()
check_size(model, c)
ids = torch.randint(5, c["vocabulary"], (c["batch"], c["textLength"]))
pixels = torch.randn(c["batch"], 3, c["imageHeight"], c["imageWidth"])

times = []
with torch.inference_mode():
    for run in range(-3, options.runs):
        start = time.perf_counter()
        model.pool(model(ids, pixels)[:, 0])
        if run >= 0:
            times.append(1000 * (time.perf_counter() - start))
median = statistics.median(times)
print(f"{ours[0]['preset']}: PyTorch {torch.__version__}, {options.threads} threads: {median:.1f} ms")
for result in ours:
    print(f"  viltgrad, {result['device']}, {result['threads']} threads: {result['medianMs']:.1f} ms, PyTorch's time over ours {median / result['medianMs']:.2f}")
