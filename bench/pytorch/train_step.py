"""The training step of ../train-step.mjs in PyTorch (eager), with our weights, batch and settings: once with the work that
viltgrad does, whose last layer goes on with the tokens alone that a loss reads, and once with the whole last layer, as
models for PyTorch have it. It has to come to viltgrad's losses and gradients in three steps before it is timed."""

from turns import peak_mb, take_turns, torch
from torch.nn import functional as F

from arrays import compare, part_of, read_arrays
from vilt import ViltForPretraining


class Training:
    def __init__(self, job):
        arrays = read_arrays(job["numbers"])
        self.inputs, self.weights = part_of(arrays, "inputs/"), part_of(arrays, "weights/")
        self.settings = {name: value.item() for name, value in part_of(arrays, "settings/").items()}
        self.expected = part_of(arrays, "steps/")
        self.memory_before_mb = peak_mb()
        self.whole = job["whole"]
        self.model = ViltForPretraining(job["config"])
        self.model.load_state_dict(self.weights)
        betas = (self.settings["beta1"], self.settings["beta2"])
        groups = [
            {"params": [p for p in self.model.parameters() if p.dim() >= 2], "weight_decay": self.settings["weightDecay"]},
            {"params": [p for p in self.model.parameters() if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=betas, fused=True)
        labels = self.inputs["maskedLabels"]
        self.labelled, self.targets = labels >= 0, labels[labels >= 0].long()
        self.places = self.labelled.view(-1).nonzero()[:, 0]
        self.first = labels.shape[1] * torch.arange(len(labels))
        self.pairs = self.inputs["matchingLabels"].long()

    def losses(self):
        """Of masked words and of matching."""
        vilt, T = self.model.backbone, self.labelled.shape[1]
        masked = self.inputs["maskedIds"], self.inputs["images"]
        matching = self.inputs["ids"], self.inputs["matchingImages"]
        if self.whole:
            hidden, classes = vilt(*masked)[:, :T][self.labelled], vilt(*matching)[:, 0]
        else:
            hidden, classes = vilt(*masked, self.places), vilt(*matching, self.first)
        words, pairs = self.model.words(hidden), self.model.matching(classes)
        return F.cross_entropy(words, self.targets), F.cross_entropy(pairs, self.pairs)

    def step(self):
        mlm, itm = self.losses()
        loss = mlm + itm
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["clipNorm"])
        self.optimizer.step()
        return {"loss": loss.item(), "mlmLoss": mlm.detach(), "itmLoss": itm.detach(), "gradNorm": norm}

    def largest_error(self):
        """Of three steps, in units of our largest numbers."""
        errors = []
        for n, rate in enumerate(self.expected["learningRate"]):
            # The original ViLT's optimiser, and ours, adds eps before the bias correction, PyTorch's after it.
            eps = 1e-8 / (1 - self.settings["beta2"] ** (n + 1)) ** 0.5
            for group in self.optimizer.param_groups:
                group.update(lr=rate.item(), eps=eps)
            for name, value in self.step().items():
                errors.append(compare(f"{name} of step {n + 1}", self.expected[name][n], torch.as_tensor(value)))
        return max(errors)


def prepare(job):
    torch.set_num_threads(job["threads"])
    training = Training(job)
    error = training.largest_error()
    return {"version": torch.__version__, "largestError": error, "memoryBeforeMB": training.memory_before_mb}, training.step


take_turns(prepare)
