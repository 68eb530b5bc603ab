//! Sentence embeddings by ONNX Runtime: any sentence-transformer with a BERT-like graph and a `tokenizer.json`.
//!
//! The runtime is a shared library given by path and loaded once per process. The model is loaded from memory after
//! its own check, so that it can pull in no other file. Tokenizer files bake in padding to a fixed length, which made
//! a short sentence cost ten times as much; both padding and truncation are our own.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use serde::{Deserialize, Serialize};
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use super::embed::{EmbedPurpose, Embedder, normalise};
use super::onnx;
use crate::{Error, Result};

/// How token vectors become one vector of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean, padding left out.
    #[default]
    Mean,
    /// The first token's, `[CLS]`.
    Cls,
    /// The graph pools by itself and gives `[batch, dimension]`.
    InGraph,
}

/// Which model embeds, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrtEmbedderParams {
    /// ONNX Runtime's shared library, 1.24 or newer; a bare name is looked up as the system does. The first one
    /// loaded serves the whole process.
    pub runtime_library: PathBuf,
    /// The ONNX file, with its weights inside.
    pub model: PathBuf,
    /// The model's `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// How token vectors become one.
    pub pooling: Pooling,
    /// What the model wants before a text that searches.
    pub query_prefix: String,
    /// What the model wants before a text that is to be found.
    pub document_prefix: String,
    /// Longer texts are cut to so many tokens, 8 to 8192.
    pub max_tokens: usize,
    /// Threads of one call; 1 is the fastest for short texts.
    pub threads: usize,
}

impl OrtEmbedderParams {
    /// A folder with `model.onnx` and `tokenizer.json` of an all-MiniLM-like model: mean pooling, no prefixes.
    pub fn minilm(runtime_library: impl Into<PathBuf>, folder: impl AsRef<Path>) -> Self {
        Self {
            runtime_library: runtime_library.into(),
            model: folder.as_ref().join("model.onnx"),
            tokenizer: folder.as_ref().join("tokenizer.json"),
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            document_prefix: String::new(),
            max_tokens: 256,
            threads: 1,
        }
    }
}

/// An [`Embedder`] on ONNX Runtime.
pub struct OrtEmbedder {
    params: OrtEmbedderParams,
    tokenizer: Tokenizer,
    pad_id: i64,
    wants_type_ids: bool,
    output: String,
    dimension: usize,
    fingerprint: String,
    session: Mutex<Session>,
}

impl std::fmt::Debug for OrtEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrtEmbedder").field("params", &self.params).finish_non_exhaustive()
    }
}

/// Texts in one run of the graph: enough to batch, few enough that one long text does not pad hundreds.
const BATCH: usize = 32;
/// No token of a WordPiece or BPE vocabulary is longer; what cannot fit is cut before it is tokenized.
const MOST_BYTES_PER_TOKEN: usize = 64;

impl OrtEmbedder {
    /// Loads the library, the tokenizer and the model, and embeds once to see that they fit together.
    ///
    /// # Errors
    /// [`Error::ModelMissing`], [`Error::ModelCorrupt`], [`Error::ModelIncompatible`], [`Error::InvalidInput`].
    pub fn open(params: OrtEmbedderParams) -> Result<Self> {
        if !(8..=8192).contains(&params.max_tokens) {
            return Err(Error::InvalidInput { what: "max_tokens", reason: "8 to 8192 are allowed".into() });
        }
        let tokenizer_bytes = read(&params.tokenizer, "tokenizer")?;
        let model_bytes = read(&params.model, "embedder")?;
        check_model(&params.model, &model_bytes)?;
        let (tokenizer, pad_id) = load_tokenizer(&params, &tokenizer_bytes)?;
        let environment = environment(&params.runtime_library)?;
        let session =
            load_model(&environment, &model_bytes, params.threads.max(1)).map_err(|e| corrupt(&params.model, &e))?;
        let fingerprint = fingerprint(&params, &model_bytes, &tokenizer_bytes);
        let mut embedder = Self {
            wants_type_ids: expect_inputs(&session, &params.model)?,
            output: choose_output(&session, &params)?,
            params,
            tokenizer,
            pad_id,
            dimension: 0,
            fingerprint,
            session: Mutex::new(session),
        };
        let probe = embedder.run(&[embedder.encode("A probe.", "")?])?;
        embedder.dimension = probe.first().map_or(0, Vec::len);
        Ok(embedder)
    }

    fn encode(&self, text: &str, prefix: &str) -> Result<Encoding> {
        let text = &text[..text.floor_char_boundary(self.params.max_tokens * MOST_BYTES_PER_TOKEN)];
        let whole = if prefix.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(format!("{prefix}{text}")) };
        // The tokenizer's message may quote the text, so it goes no further.
        self.tokenizer.encode_fast(whole, true).map_err(|_| self.misfit("the tokenizer failed on a text"))
    }

    /// One vector per encoded text: `[texts, dimension]`.
    fn run(&self, encoded: &[Encoding]) -> Result<Vec<Vec<f32>>> {
        let longest = encoded.iter().map(|e| e.get_ids().len()).max().unwrap_or(0).max(1);
        let batch = Batch::of(encoded, longest, self.pad_id);
        let inputs = batch.inputs(self.wants_type_ids).map_err(Error::internal)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(|e| self.misfit(e.code_name()))?;
        let tensor = outputs[self.output.as_str()].try_extract_tensor::<f32>();
        let (shape, numbers) = tensor.map_err(|_| self.misfit("its output is not f32"))?;
        self.pool(shape, numbers, &batch)
            .ok_or_else(|| self.misfit("its output has another shape than its pooling needs"))
    }

    fn pool(&self, shape: &[i64], numbers: &[f32], batch: &Batch) -> Option<Vec<Vec<f32>>> {
        let dims: Vec<usize> = shape.iter().map(|d| usize::try_from(*d).ok()).collect::<Option<_>>()?;
        let mut vectors = match (self.params.pooling, dims.as_slice()) {
            (Pooling::InGraph, [b, d]) if *b == batch.texts && *d > 0 => rows(numbers, *d),
            (Pooling::Cls, [b, l, d]) if (*b, *l) == (batch.texts, batch.length) && *d > 0 => {
                numbers.chunks_exact(l * d).map(|text| text[..*d].to_vec()).collect()
            }
            (Pooling::Mean, [b, l, d]) if (*b, *l) == (batch.texts, batch.length) && *d > 0 => {
                let masks = batch.mask.chunks_exact(*l);
                numbers.chunks_exact(l * d).zip(masks).map(|(text, mask)| masked_mean(text, mask, *d)).collect()
            }
            _ => return None,
        };
        vectors.iter_mut().try_for_each(|vector| normalise(vector))?;
        Some(vectors)
    }

    fn misfit(&self, reason: &str) -> Error {
        incompatible(&self.params.model, reason)
    }
}

impl Embedder for OrtEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, texts: &[&str], purpose: EmbedPurpose) -> Result<Vec<Vec<f32>>> {
        let prefix = match purpose {
            EmbedPurpose::Query => &self.params.query_prefix,
            EmbedPurpose::Document => &self.params.document_prefix,
        };
        let encoded: Vec<_> = texts.iter().map(|text| self.encode(text, prefix)).collect::<Result<_>>()?;
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in encoded.chunks(BATCH) {
            vectors.extend(self.run(batch)?);
        }
        Ok(vectors)
    }

    fn distinguishes_purpose(&self) -> bool {
        self.params.query_prefix != self.params.document_prefix
    }
}

/// Token ids, mask and types, each `[texts, length]`, padded to the longest text.
struct Batch {
    texts: usize,
    length: usize,
    ids: Vec<i64>,
    mask: Vec<i64>,
    types: Vec<i64>,
}

impl Batch {
    fn of(encoded: &[Encoding], length: usize, pad_id: i64) -> Self {
        let padded = |numbers: fn(&Encoding) -> &[u32], pad: i64| {
            let rows = encoded.iter().flat_map(move |text| {
                let own = numbers(text).iter().map(|n| i64::from(*n));
                own.chain(std::iter::repeat(pad)).take(length)
            });
            rows.collect::<Vec<i64>>()
        };
        Self {
            texts: encoded.len(),
            length,
            ids: padded(Encoding::get_ids, pad_id),
            mask: padded(Encoding::get_attention_mask, 0),
            types: padded(Encoding::get_type_ids, 0),
        }
    }

    fn inputs(&self, with_types: bool) -> ort::Result<Vec<(Cow<'static, str>, SessionInputValue<'static>)>> {
        let tensor = |numbers: &Vec<i64>| Tensor::from_array(([self.texts, self.length], numbers.clone()));
        let mut inputs = vec![
            (Cow::from("input_ids"), tensor(&self.ids)?.into()),
            (Cow::from("attention_mask"), tensor(&self.mask)?.into()),
        ];
        if with_types {
            inputs.push((Cow::from("token_type_ids"), tensor(&self.types)?.into()));
        }
        Ok(inputs)
    }
}

fn rows(numbers: &[f32], dimension: usize) -> Vec<Vec<f32>> {
    numbers.chunks_exact(dimension).map(<[f32]>::to_vec).collect()
}

/// Mean of the token vectors `[length, dimension]` whose mask is not 0.
fn masked_mean(tokens: &[f32], mask: &[i64], dimension: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimension];
    let kept = tokens.chunks_exact(dimension).zip(mask).filter(|(_, mask)| **mask != 0);
    kept.for_each(|(token, _)| sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x));
    sum // its length is normalised away, so the division by the count is left out
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::ModelMissing { what, path: path.into() },
        _ => Error::io(path, source),
    })
}

fn check_model(path: &Path, bytes: &[u8]) -> Result<()> {
    onnx::check(bytes).map_err(|refusal| match refusal {
        onnx::Refusal::Damaged => {
            Error::ModelCorrupt { path: path.into(), reason: "it is not a whole ONNX file".into() }
        }
        onnx::Refusal::ExternalData => incompatible(path, "its weights lie in other files; use a model in one file"),
    })
}

fn load_tokenizer(params: &OrtEmbedderParams, bytes: &[u8]) -> Result<(Tokenizer, i64)> {
    let damaged = || Error::ModelCorrupt { path: params.tokenizer.clone(), reason: "it is not a tokenizer".into() };
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|_| damaged())?;
    let pad_id = tokenizer.get_padding().map_or(0, |padding| i64::from(padding.pad_id));
    let truncation = TruncationParams { max_length: params.max_tokens, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|_| damaged())?;
    tokenizer.with_padding(None);
    Ok((tokenizer, pad_id))
}

/// ONNX Runtime allows one environment a process, so it is made once and kept.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

fn environment(library: &Path) -> Result<Environment> {
    let mut kept = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = kept.as_ref() {
        return Ok(environment.clone());
    }
    let is_bare_name = library.components().count() < 2;
    if !is_bare_name && !library.exists() {
        return Err(Error::ModelMissing { what: "ONNX Runtime library", path: library.into() });
    }
    // First of all calls: any other would panic while no library is loaded.
    let builder = ort::init_from(library).map_err(|refused| refused_library(library, &refused))?;
    let built = builder.with_telemetry(false).build();
    let environment = built.map_err(|error| incompatible(library, error.code_name()))?;
    Ok(kept.insert(environment).clone())
}

fn refused_library(library: &Path, refused: &ort::LoadDynamicError) -> Error {
    match refused {
        ort::LoadDynamicError::Dlopen { .. } => Error::ModelIncompatible {
            path: library.into(),
            reason: "it is not a shared library of this system".into(),
        },
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            incompatible(library, &format!("ONNX Runtime {version_str} is too old; 1.24 or newer is needed"))
        }
        _ => incompatible(library, "it is not ONNX Runtime"),
    }
}

/// In a function of its own because the builder's error holds the builder and is not Send.
fn load_model(environment: &Environment, bytes: &[u8], threads: usize) -> ort::Result<Session> {
    let mut builder = Session::builder(environment)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_config_entry("session.load_model_format", "ONNX")?
        .with_config_entry("session.intra_op.allow_spinning", "0")?; // a phone's battery, for some microseconds
    builder.commit_from_memory(bytes)
}

/// Checks that the graph takes what we give; returns whether it wants token types.
fn expect_inputs(session: &Session, path: &Path) -> Result<bool> {
    let names: Vec<&str> = session.inputs().iter().map(|input| input.name()).collect();
    let known = ["input_ids", "attention_mask", "token_type_ids"];
    let whole = known[..2].iter().all(|name| names.contains(name)) && names.iter().all(|name| known.contains(name));
    if !whole {
        return Err(incompatible(path, "it does not take input_ids and attention_mask"));
    }
    Ok(names.contains(&known[2]))
}

fn choose_output(session: &Session, params: &OrtEmbedderParams) -> Result<String> {
    let wanted: &[&str] = match params.pooling {
        Pooling::InGraph => &["sentence_embedding"],
        Pooling::Mean | Pooling::Cls => &["last_hidden_state", "token_embeddings"],
    };
    let names: Vec<&str> = session.outputs().iter().map(|output| output.name()).collect();
    let named = wanted.iter().find(|name| names.contains(name));
    let chosen = named.or(names.first()).ok_or_else(|| incompatible(&params.model, "it has no output"))?;
    Ok((*chosen).to_owned())
}

fn fingerprint(params: &OrtEmbedderParams, model: &[u8], tokenizer: &[u8]) -> String {
    let settings = (params.pooling, &params.query_prefix, &params.document_prefix, params.max_tokens);
    let mut hasher = blake3::Hasher::new();
    for part in [model, tokenizer, format!("{settings:?}").as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    format!("onnx-{}", &hasher.finalize().to_hex()[..16])
}

fn incompatible(path: &Path, reason: &str) -> Error {
    Error::ModelIncompatible { path: path.into(), reason: reason.into() }
}

/// The runtime's messages about a model speak of its graph, never of a text.
fn corrupt(path: &Path, error: &ort::Error) -> Error {
    match error.code() {
        ort::ErrorCode::NotImplemented => incompatible(path, error.message()),
        _ => Error::ModelCorrupt { path: path.into(), reason: error.message().into() },
    }
}

/// The runtime's code as a word: its message about a run may describe the input.
trait CodeName {
    fn code_name(&self) -> &'static str;
}

impl CodeName for ort::Error {
    fn code_name(&self) -> &'static str {
        match self.code() {
            ort::ErrorCode::InvalidArgument => "the runtime refuses its inputs",
            ort::ErrorCode::NotImplemented => "the runtime lacks an operator of it",
            _ => "the runtime failed on it",
        }
    }
}
