"""What our own benchmark hands over on standard input, and the numbers that PyTorch's side has to come to as well."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from arrays import read_arrays


def read_ours():
    """The results, and weights, inputs and what viltgrad computes from them, by name."""
    results = json.load(sys.stdin)["results"]
    with TemporaryDirectory() as folder:
        file = f"{folder}/numbers.safetensors"
        subprocess.run(["node", Path(__file__).with_name("numbers.mjs"), json.dumps(results[0]), file], check=True)
        return results, read_arrays(file)
