"""npm run -s bench -- train-step --preset toy --json | python bench/pytorch/train_step.py [--threads 2] [--runs 20]

Times the same training step in PyTorch (eager): the same shapes, losses and optimiser, from the `config` of our own
results, and prints the medians with their ratios, and the memory that the model and its steps took at their peak. Once
with the work that viltgrad does, whose last layer goes on with the tokens alone that a loss reads, and once with the
whole last layer, as models for PyTorch have it. Needs torch."""

import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from vilt import ViltForPretraining, check_size

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--runs", type=int, default=20)
options = arguments.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(0)

ours = json.load(sys.stdin)["results"]
c = ours[0]["config"]
B, T, V = c["batch"], c["textLength"], c["vocabulary"]
peak_mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
before = peak_mb()
model = ViltForPretraining(c)
check_size(model, c)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
ids = torch.randint(5, V, (B, T))
labelled = torch.zeros(B, T, dtype=torch.bool)
labelled.view(-1)[torch.randperm(B * T)[: c["maskedTokens"]]] = True
masked_ids, targets = torch.where(labelled, 4, ids), ids[labelled]
images = [torch.rand(B, 3, c["imageHeight"], c["imageWidth"]) * 2 - 1 for _ in range(2)]
pairs = torch.arange(B).lt(B // 2).long()
places, first = labelled.view(-1).nonzero()[:, 0], T * torch.arange(B)


def loss_of(whole):
    if whole:
        hidden, classes = model(masked_ids, images[0])[:, :T][labelled], model(ids, images[1])[:, 0]
    else:
        hidden, classes = model(masked_ids, images[0], places), model(ids, images[1], first)
    words = F.cross_entropy(model.decoder(model.head_norm(F.gelu(model.dense(hidden)))), targets)
    pooled = model.pool(classes)
    return words + F.cross_entropy(model.matching(pooled), pairs)


def step(whole):
    loss = loss_of(whole)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


with torch.no_grad():
    if not torch.allclose(loss_of(False), loss_of(True), rtol=1e-4):
        raise SystemExit("the two forms of the step differ in their loss")

warm_up = time.perf_counter() + 2
while time.perf_counter() < warm_up:
    for whole in (False, True):
        step(whole)
times = {False: [], True: []}
ROW = 5
for start in range(0, options.runs, ROW):
    for whole in (False, True):
        for _ in range(min(ROW, options.runs - start)):
            before_step = time.perf_counter()
            loss = step(whole)
            times[whole].append(1000 * (time.perf_counter() - before_step))
same, whole = (statistics.median(times[kind]) for kind in (False, True))
print(f"{ours[0]['preset']}: PyTorch {torch.__version__}, {options.threads} threads: {same:.1f} ms, {whole:.1f} ms with the whole last layer (loss {loss:.3f}), {peak_mb() - before:.0f} MB")
for result in ours:
    ratio, whole_ratio = same / result["medianMs"], whole / result["medianMs"]
    print(f"  viltgrad, {result['device']}, {result['threads']} threads: {result['medianMs']:.1f} ms, {result['memoryMB']:.0f} MB, PyTorch's time over ours {ratio:.2f}, {whole_ratio:.2f} with the whole last layer")
