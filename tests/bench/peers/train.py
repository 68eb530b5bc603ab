"""TRL and PEFT on what `aloe train` is timed on: one task a process, so that its peak memory is its own.

Arguments: a model (a GGUF file, or a folder of transformers), and `f32` or `bf16`. One JSON request, one JSON answer:

{"task": "save", "folder": FOLDER}: the dequantized model of a GGUF as transformers keep it, so that reading the GGUF is in
no peak that is compared.

{"task": "step", "messages": [...], "steps": N}: plain steps over one conversation with a LoRA of rank 16 on all
projections, logits for the tokens of the reply alone. Answers with CPU seconds a step (the first is left out, it warms
up), tokens, tokens with loss, the first loss, and the peak of memory.

{"task": "dpo", "pairs": FILE, "max_tokens": N, "accumulation": N}: an epoch of TRL's DPOTrainer with the reference's
log-probabilities computed beforehand (they count, as does tokenizing). `padding_free` is tried and told.
"""

import json
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

warnings.filterwarnings("ignore")
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def lora():
    return LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")


def step(model, tokenizer, request):
    *prompt, reply = request["messages"]
    before = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    before = tokenizer(before, add_special_tokens=False)["input_ids"]
    after = tokenizer(reply["content"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    ids, learned = torch.tensor([before + after]), len(after)
    model = get_peft_model(model, lora())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)
    seconds, losses = [], []
    for _ in range(request["steps"]):
        started = time.process_time()
        # One row before each token of the reply, and no other.
        logits = model(input_ids=ids[:, :-1], logits_to_keep=learned).logits
        loss = torch.nn.functional.cross_entropy(logits[0].float(), ids[0, -learned:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.process_time() - started)
        losses.append(loss.item())
    return {"cpu_s": seconds[1:], "tokens": ids.shape[1], "learned": learned, "loss": losses[0]}


def dpo(model, tokenizer, request):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    rows = [json.loads(line) for line in open(request["pairs"])]
    rows = [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows]
    started = time.process_time()
    for padding_free in (True, False):
        try:
            config = DPOConfig(
                output_dir=tempfile.mkdtemp(), num_train_epochs=1, per_device_train_batch_size=1, report_to="none",
                gradient_accumulation_steps=request["accumulation"], max_length=request["max_tokens"], use_cpu=True,
                bf16=False, gradient_checkpointing=False, save_strategy="no", precompute_ref_log_probs=True, beta=0.1,
                learning_rate=2e-4, logging_steps=1, dataloader_pin_memory=False, disable_tqdm=True,
                padding_free=padding_free)
            trainer = DPOTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows),
                                 processing_class=tokenizer, peft_config=lora())
            trainer.train()
        except (ValueError, TypeError, NotImplementedError, RuntimeError, ImportError) as error:
            if not padding_free:
                raise
            print(f"TRL with padding_free: {error}", file=sys.stderr)
            # What failed is not TRL's time.
            started = time.process_time()
            continue
        logs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return {"cpu_s": time.process_time() - started, "padding_free": padding_free, "pairs": len(rows), "loss": logs[0]}


def main():
    torch.set_num_threads(1)
    path, kind = sys.argv[1:]
    import peft
    import transformers
    import trl
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                "trl": trl.__version__}
    answers, sys.stdout = sys.stdout, sys.stderr  # TRL prints its progress where answers go
    print(json.dumps({"ready": versions}), file=answers, flush=True)
    request = json.loads(sys.stdin.readline())
    if request["task"] == "save":
        sys.path.insert(0, str(Path(__file__).parents[3] / "models/tests/oracle"))
        from load import load
        for part in load(path):
            part.save_pretrained(request["folder"])
        answer = {}
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=TYPES[kind])
        tokenizer = AutoTokenizer.from_pretrained(path)
        answer = {"step": step, "dpo": dpo}[request["task"]](model, tokenizer, request)
    answer["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer["versions"] = versions
    print(json.dumps(answer), file=answers, flush=True)


main()
