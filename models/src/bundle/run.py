"""Trains what lies in this folder with TRL. Written by `aloe train`.

    python run.py                                   one GPU
    python run.py --gpus 8 --strategy fsdp2         several
    python run.py --strategy cpu --max_steps 3      a try without one

What is not known here goes to `trl {{task}}` as it stands, over the values of {{task}}.yaml.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

TASK = "{{task}}"
ROWS_A_STEP = {{rows_a_step}}
STRATEGIES = ["cpu", "single_gpu", "multi_gpu", "fsdp1", "fsdp2", "zero1", "zero2", "zero3"]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--gpus", type=int, default=1, help="devices on this machine")
parser.add_argument("--strategy", choices=STRATEGIES, help="how they share the work [single_gpu, or fsdp2 for several]")
parser.add_argument("--unchecked", action="store_true", help="train although tokens differ from the phone's")
args, rest = parser.parse_known_args()

strategy = args.strategy or ("single_gpu" if args.gpus == 1 else "fsdp2")
if args.gpus < 1 or (strategy in ("cpu", "single_gpu") and args.gpus != 1):
    sys.exit(f"{strategy} and --gpus {args.gpus} do not go together: multi_gpu, fsdp2 and zero3 are for several")

folder = Path(__file__).resolve().parent
# The tokenizers' own threads and PyTorch's workers get into each other's way.
environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
if not args.unchecked:
    subprocess.run([sys.executable, "check.py", TASK], cwd=folder, env=environment, check=True)

# The same rows a step, however many devices share them.
accumulation = max(1, round(ROWS_A_STEP / args.gpus))
trl = [sys.executable, "-m", "trl.cli.main", TASK, "--config", f"{TASK}.yaml"]
if strategy == "cpu":
    trl += ["--use_cpu", "true", "--bf16", "false", "--dtype", "float32", "--num_processes", "1"]
else:
    trl += ["--accelerate_config", strategy, "--num_processes", str(args.gpus)]
trl += ["--gradient_accumulation_steps", str(accumulation), *rest]
print("+", " ".join(trl), flush=True)
sys.exit(subprocess.run(trl, cwd=folder, env=environment).returncode)
