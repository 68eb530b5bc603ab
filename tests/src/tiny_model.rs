//! A two-layer Llama of random weights, 200 kB, that llama.cpp loads and runs, and LoRA adapters for it.
//!
//! It speaks nonsense at thousands of tokens a second: for tests of plumbing, limits and damage.

use crate::gguf_writer::{GgufWriter, TensorType};

/// How the vocabulary splits text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// Byte-pair encoding, as Llama 3, Qwen and SmolLM have it.
    Bpe,
    /// Sentence pieces, as Llama 2, Mistral and Gemma have it.
    SentencePiece,
}

/// What the model is like; the same values give the same file.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the field's own words")]
pub struct TinyModel {
    pub tokenizer: Tokenizer,
    pub n_layer: u32,
    /// A multiple of 32 and of `n_head`.
    pub n_embd: u32,
    pub n_head: u32,
    pub n_head_kv: u32,
    /// A multiple of 32.
    pub n_ff: u32,
    pub n_ctx: u32,
    pub weights: TensorType,
    pub chat_template: Option<String>,
    /// At least three: the second begins a text and the third ends one.
    pub control_tokens: Vec<&'static str>,
    pub seed: u64,
}

/// ChatML without a default system message.
pub const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
     message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ \
     '<|im_start|>assistant\n' }}{% endif %}";

/// Pairs joined by the byte-pair tokenizer, in order; `Ġ` is its space.
const MERGES: [&str; 24] = [
    "Ġ t", "h e", "Ġ a", "i n", "r e", "o n", "Ġt he", "e r", "Ġ s", "a t", "Ġ w", "e n", "Ġ o", "i t", "i s", "o r",
    "e s", "a n", "Ġ c", "in g", "Ġa n", "Ġ i", "l l", "Ġan d",
];

/// Words of the sentence-piece tokenizer; `▁` is its space.
const PIECES: [&str; 16] =
    ["▁t", "he", "▁a", "in", "re", "on", "▁the", "er", "▁s", "at", "▁w", "en", "▁an", "▁and", "ing", "is"];

const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

impl Default for TinyModel {
    fn default() -> Self {
        Self {
            tokenizer: Tokenizer::Bpe,
            n_layer: 2,
            n_embd: 64,
            n_head: 4,
            n_head_kv: 2,
            n_ff: 128,
            n_ctx: 2048,
            weights: TensorType::F32,
            chat_template: Some(CHATML.into()),
            control_tokens: SPECIAL.to_vec(),
            seed: 7,
        }
    }
}

impl TinyModel {
    /// The model's file, still to be written or damaged.
    #[must_use]
    pub fn build(&self) -> GgufWriter {
        let mut file = GgufWriter::default();
        file.set("general.architecture", "llama").set("general.type", "model").set("general.name", "tiny");
        file.set("llama.block_count", self.n_layer)
            .set("llama.context_length", self.n_ctx)
            .set("llama.embedding_length", self.n_embd)
            .set("llama.feed_forward_length", self.n_ff)
            .set("llama.attention.head_count", self.n_head)
            .set("llama.attention.head_count_kv", self.n_head_kv)
            .set("llama.attention.layer_norm_rms_epsilon", 1e-5_f32)
            .set("llama.rope.dimension_count", self.n_embd / self.n_head)
            .set("llama.rope.freq_base", 10_000.0_f32);
        let n_vocab = match self.tokenizer {
            Tokenizer::Bpe => set_bpe(&mut file, &self.control_tokens),
            Tokenizer::SentencePiece => set_pieces(&mut file),
        };
        if let Some(template) = &self.chat_template {
            file.set("tokenizer.chat_template", template.as_str());
        }
        self.put_weights(&mut file, n_vocab);
        file
    }

    /// A LoRA adapter for all seven projections of every layer, its file still to be written or damaged.
    ///
    /// `strength` is the size of its random numbers: 0 changes nothing, 1 changes every reply.
    #[must_use]
    pub fn build_adapter(&self, rank: u32, alpha: f32, strength: f32, seed: u64) -> GgufWriter {
        let mut file = GgufWriter::default();
        file.set("general.architecture", "llama")
            .set("general.type", "adapter")
            .set("adapter.type", "lora")
            .set("adapter.lora.alpha", alpha);
        let mut random = Random(seed);
        let rank = u64::from(rank);
        for layer in 0..self.n_layer {
            for (part, [columns, rows]) in self.projections() {
                let a = random.normal(columns * rank, 1.0 / (columns as f32).sqrt());
                let b = random.normal(rank * rows, strength);
                let name = format!("blk.{layer}.{part}.weight");
                file.tensor(&format!("{name}.lora_a"), &[columns, rank], TensorType::F32, &a);
                file.tensor(&format!("{name}.lora_b"), &[rank, rows], TensorType::F32, &b);
            }
        }
        file
    }

    fn projections(&self) -> [(&'static str, [u64; 2]); 7] {
        let (n_embd, n_ff) = (u64::from(self.n_embd), u64::from(self.n_ff));
        let kv = u64::from(self.n_embd / self.n_head * self.n_head_kv);
        [
            ("attn_q", [n_embd, n_embd]),
            ("attn_k", [n_embd, kv]),
            ("attn_v", [n_embd, kv]),
            ("attn_output", [n_embd, n_embd]),
            ("ffn_gate", [n_embd, n_ff]),
            ("ffn_up", [n_embd, n_ff]),
            ("ffn_down", [n_ff, n_embd]),
        ]
    }

    fn put_weights(&self, file: &mut GgufWriter, n_vocab: usize) {
        let mut random = Random(self.seed);
        let n_embd = u64::from(self.n_embd);
        let ones = vec![1.0; self.n_embd as usize];
        let embeddings = random.normal(n_embd * n_vocab as u64, 1.0);
        file.tensor("token_embd.weight", &[n_embd, n_vocab as u64], self.weights, &embeddings);
        for layer in 0..self.n_layer {
            file.tensor(&format!("blk.{layer}.attn_norm.weight"), &[n_embd], TensorType::F32, &ones);
            file.tensor(&format!("blk.{layer}.ffn_norm.weight"), &[n_embd], TensorType::F32, &ones);
            for (part, [columns, rows]) in self.projections() {
                let values = random.normal(columns * rows, 1.0 / (columns as f32).sqrt());
                file.tensor(&format!("blk.{layer}.{part}.weight"), &[columns, rows], self.weights, &values);
            }
        }
        file.tensor("output_norm.weight", &[n_embd], TensorType::F32, &ones);
    }
}

fn set_bpe(file: &mut GgufWriter, control: &[&str]) -> usize {
    let mut tokens: Vec<String> = control.iter().copied().map(String::from).collect();
    tokens.extend(byte_letters());
    tokens.extend(MERGES.iter().map(|pair| pair.replace(' ', "")));
    let types = (0..tokens.len()).map(|id| if id < control.len() { 3 } else { 1 }).collect::<Vec<i32>>();
    let count = tokens.len();
    file.set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "smollm")
        .set("tokenizer.ggml.tokens", tokens)
        .set("tokenizer.ggml.token_type", types)
        .set("tokenizer.ggml.merges", MERGES.map(String::from).to_vec())
        .set("tokenizer.ggml.bos_token_id", 1_u32)
        .set("tokenizer.ggml.eos_token_id", 2_u32)
        .set("tokenizer.ggml.add_bos_token", false);
    count
}

/// The letters that GPT-2's tokenizer writes bytes with: printable ones as themselves, the others from U+0100 on.
fn byte_letters() -> impl Iterator<Item = String> {
    let mut shifted = 0;
    (0..=255_u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE.. => char::from(byte).to_string(),
        _ => {
            shifted += 1;
            char::from_u32(0xFF + shifted).map(String::from).unwrap_or_default()
        }
    })
}

fn set_pieces(file: &mut GgufWriter) -> usize {
    let mut tokens: Vec<(String, i32)> = vec![("<unk>".into(), 2), ("<s>".into(), 3), ("</s>".into(), 3)];
    tokens.extend((0..=255).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    tokens.extend(PIECES.iter().map(|piece| ((*piece).to_owned(), 1)));
    tokens.push(("▁".into(), 1));
    tokens.extend((b'!'..=b'~').map(|byte| (char::from(byte).to_string(), 1)));
    tokens.extend(SPECIAL.map(|name| (name.to_owned(), 3)));
    let scores = (0..tokens.len()).map(|id| -(id as f32)).collect::<Vec<_>>();
    let count = tokens.len();
    let (texts, types): (Vec<String>, Vec<i32>) = tokens.into_iter().unzip();
    file.set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.tokens", texts)
        .set("tokenizer.ggml.scores", scores)
        .set("tokenizer.ggml.token_type", types)
        .set("tokenizer.ggml.bos_token_id", 1_u32)
        .set("tokenizer.ggml.eos_token_id", 2_u32);
    count
}

/// SplitMix64: numbers that are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Sums of four uniform numbers: near enough to a normal distribution of this deviation.
    fn normal(&mut self, count: u64, deviation: f32) -> Vec<f32> {
        let uniform = |bits: u64| (bits & 0xFFFF) as f32 / 32_768.0 - 1.0;
        let mut one = || {
            let bits = self.next();
            (0..4).map(|part| uniform(bits >> (16 * part))).sum::<f32>() * 0.866
        };
        (0..count).map(|_| one() * deviation).collect()
    }
}
