//! From flags, environment and the configuration file to resolved values; flags win, then the environment.
//!
//! Commands read `Settings` and never the environment, so that what holds can be seen in one place.

mod keys;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::catalogue::Catalogue;
use crate::cli::{GlobalArgs, KvTypeArg};
use crate::error::{Error, Result};

pub(crate) use keys::{keep_key, key_of, remove_key, source_of_key};

/// A model hub's public address; any mirror can take its place through HF_ENDPOINT.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// What holds for this run.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Downloaded models.
    pub(crate) cache: PathBuf,
    /// Configuration, user manifests, models.lock.
    pub(crate) config_dir: PathBuf,
    /// The folder given with --manifests.
    pub(crate) manifests: Option<PathBuf>,
    pub(crate) download: Download,
    /// Defaults of `aloe chat` from the configuration file.
    pub(crate) chat: ChatDefaults,
}

/// How files are fetched.
#[derive(Debug, Clone)]
pub(crate) struct Download {
    /// Base address of the model hub, without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) token: Option<Token>,
    /// The Python whose pip is used.
    pub(crate) python: String,
    /// Silence after which a connection counts as dead.
    pub(crate) stall: Duration,
    /// Tries in a row that bring nothing before it is given up.
    pub(crate) attempts: u32,
    /// Pause before the second try; it doubles from then on.
    pub(crate) first_pause: Duration,
}

/// A secret; it shows itself only where it is sent.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// The value of the Authorization header.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The configuration file. Unknown keys are mistakes, not wishes for later.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    cache: Option<PathBuf>,
    chat: ChatDefaults,
    download: DownloadFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DownloadFile {
    endpoint: Option<String>,
    python: Option<String>,
    stall_timeout_s: Option<u64>,
    attempts: Option<u32>,
    first_pause_ms: Option<u64>,
}

/// The section `[chat]`: the names are those of the flags.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChatDefaults {
    pub(crate) data: Option<PathBuf>,
    pub(crate) model: Option<String>,
    pub(crate) embedder: Option<String>,
    /// The shared library of ONNX Runtime, where the bundled one does not fit the machine.
    pub(crate) onnx_runtime: Option<PathBuf>,
    pub(crate) system: Option<String>,
    pub(crate) temperature: Option<f32>,
    pub(crate) top_p: Option<f32>,
    pub(crate) top_k: Option<u32>,
    pub(crate) min_p: Option<f32>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) ctx: Option<u32>,
    pub(crate) threads: Option<u32>,
    pub(crate) gpu_layers: Option<u32>,
    pub(crate) kv_type: Option<KvTypeArg>,
}

impl Settings {
    /// What holds, given the flags.
    pub(crate) fn resolve(args: &GlobalArgs) -> Result<Self> {
        let config_dir = config_dir()?;
        let file = read_config(args.config.as_deref(), &config_dir)?;
        let cache = args.cache.clone().or(file.cache).map_or_else(cache_dir, Ok)?;
        Ok(Self {
            cache: absolute(cache)?,
            config_dir,
            manifests: args.manifests.clone(),
            download: resolve_download(file.download),
            chat: file.chat,
        })
    }

    /// The models that can be named: built in, in the configuration folder, in the folder of --manifests.
    pub(crate) fn catalogue(&self) -> Result<Catalogue> {
        Catalogue::load(&[self.config_dir.join("manifests")], self.manifests.as_deref())
    }
}

fn read_config(given: Option<&Path>, config_dir: &Path) -> Result<ConfigFile> {
    let path = given.map_or_else(|| config_dir.join("config.toml"), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if given.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(ConfigFile::default());
        }
        Err(error) => return Err(Error::io(path, error)),
    };
    // Only the parser's own words: its long form quotes the line, which may be anything.
    toml::from_str(&text).map_err(|error| Error::SettingsInvalid { path, reason: error.message().to_owned() })
}

fn resolve_download(file: DownloadFile) -> Download {
    let endpoint = variable("HF_ENDPOINT").or(file.endpoint).unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
    Download {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        token: variable("HF_TOKEN").map(|token| Token(token.trim().to_owned())),
        python: variable("ALOE_PYTHON").or(file.python).unwrap_or_else(|| "python3".to_owned()),
        stall: Duration::from_secs(file.stall_timeout_s.unwrap_or(30).max(1)),
        attempts: file.attempts.unwrap_or(5).max(1),
        first_pause: Duration::from_millis(file.first_pause_ms.unwrap_or(1000)),
    }
}

/// Where conversations and memory live when no flag and no file says so.
pub(crate) fn data_dir() -> Result<PathBuf> {
    base_dir("memory", "ALOE_DATA", "XDG_DATA_HOME", ".local/share", "Library/Application Support", "LOCALAPPDATA")
}

fn cache_dir() -> Result<PathBuf> {
    base_dir("models", "ALOE_CACHE", "XDG_CACHE_HOME", ".cache", "Library/Caches", "LOCALAPPDATA")
}

fn config_dir() -> Result<PathBuf> {
    if let Some(folder) = variable("ALOE_CONFIG") {
        return absolute(PathBuf::from(folder));
    }
    base_dir("settings", "ALOE_CONFIG", "XDG_CONFIG_HOME", ".config", "Library/Application Support", "APPDATA")
}

fn base_dir(
    what: &'static str,
    own: &'static str,
    xdg: &str,
    linux: &str,
    macos: &str,
    windows: &str,
) -> Result<PathBuf> {
    let home = || variable("HOME").map(PathBuf::from);
    let base = if cfg!(target_os = "macos") {
        home().map(|home| home.join(macos))
    } else if cfg!(windows) {
        variable(windows).map(PathBuf::from)
    } else {
        // The XDG specification has relative values ignored.
        let xdg = variable(xdg).map(PathBuf::from).filter(|path| path.is_absolute());
        xdg.or_else(|| home().map(|home| home.join(linux)))
    };
    base.map(|base| base.join("aloekit")).ok_or(Error::NoHome { what, variable: own })
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).map_err(|error| Error::io(path, error))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_show_itself_in_debug_output() {
        let download =
            Download { token: Some(Token("hf_canary".to_owned())), ..resolve_download(DownloadFile::default()) };
        assert!(!format!("{download:?}").contains("canary"));
        assert_eq!(download.token.expect("set").header(), "Bearer hf_canary");
    }

    #[test]
    fn an_unknown_key_in_the_configuration_is_a_mistake() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[chat]\ntemprature = 1.0\n").expect("written");
        assert!(matches!(read_config(Some(&path), folder.path()), Err(Error::SettingsInvalid { .. })));
    }

    #[test]
    fn a_configuration_that_was_named_must_be_there() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(read_config(Some(&folder.path().join("no.toml")), folder.path()).is_err());
        assert!(read_config(None, folder.path()).is_ok());
    }
}
