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
numbers=(--preset aloe-small --rank 16 --alpha 32 --max-tokens 2048 --seed 4 --threads 1 --resume
    --set train.eval_every=40 --set train.checkpoint_every=20)

# A world whose planted preferences are known: everybody in it speaks by rule, those who are measured too.
[ -e world/trees/trees.jsonl ] || {
    aloe personas --run world --preset aloe-small --provider scripted --no-seeds --max-cosine 0.9 --seed 4 --profiles 140 \
        --eval-profiles 20 --personalities 72 --eval-personalities 24 --set personas.split_cosine=0.9 \
        --set personas.max_iterations=400 --set personas.personalities_per_profile=4 \
        --set personas.eval_personalities_per_profile=5
    aloe trees --run world --preset aloe-small --conversations 360 --rounds 10 --provider scripted --seed 4
}

[ -e sft.gguf ] || {
    aloe train sft --base "$model" --data world "${numbers[@]}" --lr 5e-4 --max-steps 200 --out sft --json-log sft.jsonl
    aloe export --adapter sft --format gguf --out sft.gguf
}
[ -e dpo.gguf ] || {
    aloe dataset --run world --preset aloe-small --format dpo --out pairs --seed 4
    head -n 400 pairs/data/train.jsonl >pairs-400.jsonl
    head -n 64 pairs/data/validation.jsonl >held-out-64.jsonl
    aloe train dpo --base "$model" --data pairs-400.jsonl --eval held-out-64.jsonl --adapter sft "${numbers[@]}" \
        --lr 5e-5 --beta 0.9 --max-steps 50 --out dpo --json-log dpo.jsonl
    aloe export --adapter dpo --format gguf --out dpo.gguf
}

play() { # name, more...
    local name=$1
    shift
    aloe eval aloe --run "eval/$name" --personas world --candidate "local:$model" --user scripted --judge scripted \
        --cases 20 --rounds 10 --restart-every 3 --seed 4 --set benchmark.reply_max_tokens=60 --set provider.threads=1 "$@"
}
mkdir -p eval
play base
play base-memory --memory
for adapter in sft dpo; do
    play "$adapter" --adapter "$adapter.gguf"
    play "$adapter-memory" --adapter "$adapter.gguf" --memory
done
for name in base base-memory sft sft-memory dpo dpo-memory; do
    aloe eval judge --run "eval/$name" --judge scripted --others 8 --seed 4
done
aloe eval report base=eval/base base+memory=eval/base-memory sft=eval/sft sft+memory=eval/sft-memory dpo=eval/dpo \
    dpo+memory=eval/dpo-memory --out report --seed 4

for adapter in sft dpo; do
    aloe eval perplexity --text "$text" --model "$model" --adapter "$adapter.gguf" --seed 4
done
sha256sum world/personas/personas.jsonl world/trees/trees.jsonl pairs-400.jsonl held-out-64.jsonl \
    sft/adapter_model.safetensors sft.gguf dpo/adapter_model.safetensors dpo.gguf eval/*/eval/transcripts.jsonl "$text"
