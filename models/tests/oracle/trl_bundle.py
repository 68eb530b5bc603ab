"""What TRL, PEFT and TensorBoard say of what aloe wrote. Each verb prints one JSON document.

    python trl_bundle.py keys sft|dpo FILE.yaml     keys of the file that TRL's command line does not know
    python trl_bundle.py base MODEL.gguf FOLDER     the dequantized base, as a folder of transformers
    python trl_bundle.py score FOLDER ADAPTER FILE  log-probabilities of replies, by transformers and PEFT
    python trl_bundle.py events FOLDER              scalars by tag, as TensorBoard's own reader gives them
"""

import json
import sys


def keys(task, path):
    import dataclasses

    import yaml
    from trl import DatasetMixtureConfig, DPOConfig, ModelConfig, ScriptArguments, SFTConfig

    classes = (ScriptArguments, SFTConfig if task == "sft" else DPOConfig, ModelConfig, DatasetMixtureConfig)
    known = {field.name for one in classes for field in dataclasses.fields(one)}
    with open(path, encoding="utf-8") as file:
        return sorted(set(yaml.safe_load(file)) - known)


def base(path, folder):
    from load import load

    model, tokenizer = load(path)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def score(folder, adapter, path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), adapter).eval()
    found = []
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        prompt = tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True)
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        for reply in row["replies"]:
            ids = torch.tensor([tokenizer(prompt + reply, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                log_probs = model(input_ids=ids).logits[0].log_softmax(-1)
            found.append(sum(log_probs[at - 1, ids[0, at]].item() for at in range(start, ids.shape[1])))
    return found


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    scalars = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
    return scalars


if __name__ == "__main__":
    verbs = {"keys": keys, "base": base, "score": score, "events": events}
    print(json.dumps(verbs[sys.argv[1]](*sys.argv[2:])))
