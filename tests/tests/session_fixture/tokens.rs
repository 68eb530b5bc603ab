//! The tokens that the model really read, taken from a snapshot, and the vocabulary to judge them by.

use std::ffi::CString;
use std::path::Path;

use aloekit_tests::fixtures::model_path;
use llama_cpp_sys_2 as sys;

/// Token ids in a snapshot file: after magic (8 bytes) and fingerprint (32), a count and that many ids.
pub fn snapshot_tokens(file: &Path) -> Vec<i32> {
    let bytes = std::fs::read(file).expect("the snapshot is there");
    let word = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    (0..usize::try_from(word(40)).expect("a count")).map(|i| word(44 + 4 * i)).collect()
}

/// The default model's vocabulary, read past the engine.
pub struct Vocabulary {
    model: *mut sys::llama_model,
}

impl Vocabulary {
    /// An engine must have been opened before: it sets the backend up.
    pub fn load() -> Self {
        Self::of(&model_path())
    }

    /// The vocabulary of another model.
    pub fn of(model: &Path) -> Self {
        let path = CString::new(model.to_str().expect("UTF-8")).expect("no NUL");
        // SAFETY: default parameters with one switch, a NUL-terminated path; the model is freed in `Drop`.
        let model = unsafe {
            let mut params = sys::llama_model_default_params();
            params.vocab_only = true;
            sys::llama_model_load_from_file(path.as_ptr(), params)
        };
        assert!(!model.is_null(), "the vocabulary loads");
        Self { model }
    }

    pub fn is_control(&self, token: i32) -> bool {
        // SAFETY: the model is alive; tokens come from a snapshot that the engine wrote for the same model.
        unsafe { sys::llama_vocab_is_control(sys::llama_model_get_vocab(self.model), token) }
    }

    pub fn count_control(&self, tokens: &[i32]) -> usize {
        tokens.iter().filter(|&&token| self.is_control(token)).count()
    }

    /// The text of the tokens, control tokens written out.
    pub fn text(&self, tokens: &[i32]) -> String {
        let mut bytes = Vec::new();
        for &token in tokens {
            let mut piece = [0_u8; 256];
            // SAFETY: the buffer is as long as is said; no token of this vocabulary is longer.
            let len = unsafe {
                let vocab = sys::llama_model_get_vocab(self.model);
                sys::llama_token_to_piece(vocab, token, piece.as_mut_ptr().cast(), 256, 0, true)
            };
            bytes.extend_from_slice(&piece[..usize::try_from(len).expect("it fits")]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Vocabulary {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, freed once.
        unsafe { sys::llama_model_free(self.model) };
    }
}
