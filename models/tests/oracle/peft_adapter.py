"""Writes an adapter as PEFT itself saves it, and what PEFT says with it: the fixture of `aloe export`.

    OMP_NUM_THREADS=1 python peft_adapter.py SmolLM2-135M-Instruct.Q4_1.gguf ../fixtures/peft

Rank 1 on queries and keys, whose rows are ordered differently in a GGUF, with both matrices random; half precision keeps
the file small. `expected.json` holds log-probabilities of replies, without the token that ends the turn, by the
dequantized base with and without the adapter.
"""

import json
import sys
from pathlib import Path

import torch
from load import load
from peft import LoraConfig, get_peft_model

OUT = Path(sys.argv[2])
MESSAGES = [{"role": "user", "content": "I keep hens and love chess. What shall I do on Sunday?"}]
REPLIES = ["Play a game in the garden, with the hens as an audience.", "I do not know."]


def log_prob(model, tokenizer, reply):
    prompt = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    whole = before + tokenizer(reply, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([whole])).logits[0, len(before) - 1 : -1].double()
    chosen = torch.tensor(whole[len(before) :])
    return torch.log_softmax(logits, -1)[torch.arange(len(chosen)), chosen].sum().item()


def main():
    torch.manual_seed(3)
    model, tokenizer = load(sys.argv[1])
    model.eval()
    base = [log_prob(model, tokenizer, reply) for reply in REPLIES]
    lora = LoraConfig(r=1, lora_alpha=4, lora_dropout=0.0, target_modules=["q_proj", "k_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_((torch.randn_like(parameter) * (0.05 if "lora_A" in name else 0.15)).half().float())
    adapted = [log_prob(model, tokenizer, reply) for reply in REPLIES]
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.half()
    model.peft_config["default"].base_model_name_or_path = Path(sys.argv[1]).name
    model.save_pretrained(OUT)
    (OUT / "README.md").unlink()
    (OUT / "adapter_model.safetensors").chmod(0o644)
    expected = {"messages": MESSAGES, "replies": REPLIES, "base": base, "adapted": adapted}
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(expected)


torch.set_num_threads(1)
main()
