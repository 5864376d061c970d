"""npm run -s bench -- train-step --preset toy --json | python bench/pytorch/train_step.py [--threads 2] [--runs 20]

Times the same training step in PyTorch (eager), with our weights, batch and settings, and prints the medians with their
ratios, and the memory that the model and its steps took at their peak. Once with the work that viltgrad does, whose last
layer goes on with the tokens alone that a loss reads, and once with the whole last layer, as models for PyTorch have it.
Both have to come to viltgrad's losses and gradients in three steps before they are timed. Needs torch."""

import argparse
import resource
import statistics
import time

import torch
from torch.nn import functional as F

from arrays import compare, part_of
from ours import read_ours
from vilt import ViltForPretraining

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, default=2)
arguments.add_argument("--runs", type=int, default=20)
options = arguments.parse_args()
torch.set_num_threads(options.threads)

ours, arrays = read_ours()
if ours[0]["config"]["losses"] != ["mlm", "itm"]:
    raise SystemExit("masked words and matching alone are computed here: run the benchmark without --alignment")
inputs, expected = part_of(arrays, "inputs/"), part_of(arrays, "steps/")
settings = {name: value.item() for name, value in part_of(arrays, "settings/").items()}
peak_mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
before = peak_mb()
model = ViltForPretraining(ours[0]["config"])
labelled, pairs = inputs["maskedLabels"] >= 0, inputs["matchingLabels"].long()
targets = inputs["maskedLabels"][labelled].long()
B, T = labelled.shape
places, first = labelled.view(-1).nonzero()[:, 0], T * torch.arange(B)


def losses_of(whole):
    """Of masked words and of matching."""
    vilt, masked, matching = model.backbone, (inputs["maskedIds"], inputs["images"]), (inputs["ids"], inputs["matchingImages"])
    if whole:
        hidden, classes = vilt(*masked)[:, :T][labelled], vilt(*matching)[:, 0]
    else:
        hidden, classes = vilt(*masked, places), vilt(*matching, first)
    return F.cross_entropy(model.words(hidden), targets), F.cross_entropy(model.matching(classes), pairs)


def begin():
    """The weights that training begins with, and an optimiser that has done nothing."""
    model.load_state_dict(part_of(arrays, "weights/"))
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": settings["weightDecay"]},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(settings["beta1"], settings["beta2"]), fused=True)


def step(optimizer, whole):
    mlm, itm = losses_of(whole)
    loss = mlm + itm
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clipNorm"])
    optimizer.step()
    return loss.item(), mlm.detach(), itm.detach(), norm


error = 0.0
for whole in (False, True):
    optimizer = begin()
    for n, rate in enumerate(expected["learningRate"]):
        # The original ViLT's optimiser, and ours, adds eps before the bias correction, PyTorch's after it.
        eps = 1e-8 / (1 - settings["beta2"] ** (n + 1)) ** 0.5
        for group in optimizer.param_groups:
            group.update(lr=rate.item(), eps=eps)
        for name, value in zip(("loss", "mlmLoss", "itmLoss", "gradNorm"), step(optimizer, whole)):
            error = max(error, compare(f"{name} of step {n + 1}", expected[name][n], torch.as_tensor(value)))

warm_up = time.perf_counter() + 2
while time.perf_counter() < warm_up:
    for whole in (False, True):
        step(optimizer, whole)
times = {False: [], True: []}
ROW = 5
for start in range(0, options.runs, ROW):
    for whole in (False, True):
        for _ in range(min(ROW, options.runs - start)):
            before_step = time.perf_counter()
            step(optimizer, whole)
            times[whole].append(1000 * (time.perf_counter() - before_step))
same, whole = (statistics.median(times[kind]) for kind in (False, True))
print(f"{ours[0]['preset']}: PyTorch {torch.__version__}, {options.threads} threads: {same:.1f} ms, {whole:.1f} ms with the whole last layer (numbers within {error:.0e}), {peak_mb() - before:.0f} MB")
for result in ours:
    ratio, whole_ratio = same / result["medianMs"], whole / result["medianMs"]
    print(f"  viltgrad, {result['device']}, {result['threads']} threads: {result['medianMs']:.1f} ms, {result['memoryMB']:.0f} MB, PyTorch's time over ours {ratio:.2f}, {whole_ratio:.2f} with the whole last layer")
