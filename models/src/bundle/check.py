"""Compares the tokens of the base with those that the phone's engine makes of the same conversations.

    python check.py sft|dpo

An adapter that learnt other tokens is useless on the phone, and nothing else would say so.
"""

import json
import sys
from pathlib import Path

import yaml
from transformers import AutoTokenizer

folder = Path(__file__).resolve().parent
task = sys.argv[1]
config = yaml.safe_load((folder / f"{task}.yaml").read_text(encoding="utf-8"))
tokenizer = AutoTokenizer.from_pretrained(config["model_name_or_path"])
# `trl sft` takes the template of this folder; `trl dpo` knows none but the base's own.
if "chat_template_path" in config:
    tokenizer.chat_template = (folder / config["chat_template_path"]).read_text(encoding="utf-8")
if tokenizer.chat_template is None:
    sys.exit("The base has no chat template: save chat_template.jinja with its tokenizer, and name that folder.")

wrong = 0
samples = [json.loads(line) for line in (folder / "tokens.jsonl").read_text(encoding="utf-8").splitlines()]
for number, sample in enumerate(samples, 1):
    text = tokenizer.apply_chat_template(sample["messages"], tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    # The template may write a line end after the last turn, which is not trained on.
    if ids[: len(sample["tokens"])] != sample["tokens"]:
        same = next((at for at, pair in enumerate(zip(ids, sample["tokens"])) if pair[0] != pair[1]), len(ids))
        print(f"conversation {number} differs from token {same} on", file=sys.stderr)
        wrong += 1
if wrong:
    sys.exit(f"{wrong} of {len(samples)} conversations have other tokens on the phone: is the base the model that the GGUF "
             "was made from, with the same chat template?")
print(f"{len(samples)} conversations have the same tokens as on the phone")
