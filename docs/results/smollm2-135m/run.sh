#!/usr/bin/env bash
# Makes every figure of this folder anew: personas and conversations by rule, SFT, DPO, and the benchmark of six systems.
#
# Usage: docs/results/smollm2-135m/run.sh FOLDER TEXT
#
# FOLDER takes everything that is made; what is there already is gone on with. TEXT is plain text for the perplexity.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
folder=$(realpath -m "$1") text=$(realpath "$2")
mkdir -p "$folder"
cd "$folder"

model=smollm2-135m-instruct
aloe() { "$root/dev" aloe "$@"; }
numbers=(--preset aloe-small --rank 16 --alpha 32 --max-tokens 2048 --seed 1 --threads 1 --resume
    --set train.accumulation=8 --set train.max_eval_examples=64 --set train.eval_every=20)

# A world whose planted preferences are known: everybody speaks by rule.
[ -e world/trees/trees.jsonl ] || {
    aloe personas --run world --preset aloe-small --provider scripted --max-cosine 0.8 --seed 1 --profiles 120 \
        --personalities 48 --set personas.eval_profiles=20 --set personas.eval_personalities=7 \
        --set personas.max_iterations=200 --set personas.eval_personalities_per_profile=5
    aloe trees --run world --preset aloe-small --conversations 180 --rounds 10 --provider scripted --seed 1
}

[ -e sft.gguf ] || {
    aloe train sft --base "$model" --data world "${numbers[@]}" --lr 5e-4 --max-steps 80 --out sft --json-log sft.jsonl
    aloe export --adapter sft --format gguf --out sft.gguf
}
[ -e dpo.gguf ] || {
    aloe dataset --run world --format dpo --out pairs
    head -n 320 pairs/data/train.jsonl >pairs-320.jsonl
    head -n 48 pairs/data/validation.jsonl >held-out-48.jsonl
    aloe train dpo --base "$model" --data pairs-320.jsonl --eval held-out-48.jsonl --adapter sft "${numbers[@]}" \
        --lr 1e-4 --beta 0.9 --out dpo --json-log dpo.jsonl
    aloe export --adapter dpo --format gguf --out dpo.gguf
}

play() { # name, more...
    local name=$1
    shift
    aloe eval aloe --run "eval/$name" --personas world --candidate "local:$model" --user scripted --judge scripted \
        --cases 20 --rounds 10 --restart-every 3 --seed 1 --set benchmark.reply_max_tokens=60 --set provider.threads=1 "$@"
}
mkdir -p eval
play base
play base-memory --memory
for adapter in sft dpo; do
    play "$adapter" --adapter "$adapter.gguf"
    play "$adapter-memory" --adapter "$adapter.gguf" --memory
done
for name in base base-memory sft sft-memory dpo dpo-memory; do
    aloe eval gain --run "eval/$name" --model "$model" --same-message --seed 1
done
aloe eval report base=eval/base base+memory=eval/base-memory sft=eval/sft sft+memory=eval/sft-memory dpo=eval/dpo \
    dpo+memory=eval/dpo-memory --out report --seed 1

for adapter in sft dpo; do
    aloe eval preference --data held-out-48.jsonl --model "$model" --adapter "$adapter.gguf" --seed 1
    aloe eval perplexity --text "$text" --model "$model" --adapter "$adapter.gguf" --seed 1
done
sha256sum world/personas/personas.jsonl world/trees/trees.jsonl pairs-320.jsonl held-out-48.jsonl \
    sft/adapter_model.safetensors sft.gguf dpo/adapter_model.safetensors dpo.gguf eval/*/eval/transcripts.jsonl "$text"
