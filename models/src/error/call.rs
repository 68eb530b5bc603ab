//! Why one call to a model failed, told apart by what is done about it.

/// The cause; its text names no key and nothing of prompt or answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallFault {
    #[error("it cannot be reached ({0})")]
    Unreachable(String),
    #[error("it sent nothing for {0} s")]
    Stalled(u64),
    #[error("the answer was not complete after {0} s")]
    TooSlow(u64),
    #[error("the answer broke off")]
    CutOff,
    #[error("it answered {status}")]
    Status { status: u16, retry_after_ms: Option<u64> },
    #[error("it refuses the key (answer {0})")]
    KeyRefused(u16),
    #[error("it does not know the address or the model (answer 404)")]
    NotFound,
    #[error("it redirects (answer {0}), and a key does not follow a redirect")]
    Redirected(u16),
    #[error("the answer is larger than {0} MiB")]
    TooLarge(u64),
    #[error("the answer is not what the API says: {0}")]
    Malformed(&'static str),
    #[error("the answer was cut at its greatest length")]
    CutAtLength,
    #[error("the answer was withheld by a content filter")]
    Filtered,
    #[error("no answer to this request is recorded")]
    NotRecorded,
    #[error("the answers were not of the form that was asked for ({0} tries)")]
    NotParsed(u32),
    #[error("the batch ended as {0}")]
    Batch(String),
}

impl CallFault {
    /// Whether the same request may succeed a little later.
    pub(crate) fn retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stalled(_) | Self::TooSlow(_) | Self::CutOff | Self::Malformed(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether every other call would fail as well, so that going on is pointless.
    pub(crate) fn fatal(&self) -> bool {
        match self {
            Self::KeyRefused(_) | Self::NotFound | Self::Redirected(_) => true,
            // These three may be the fault of one request, such as a history that is too long.
            Self::Status { status: 400 | 413 | 422, .. } => false,
            Self::Status { status, .. } => matches!(status, 400..=499) && !self.retryable(),
            _ => false,
        }
    }

    /// Whether the request itself is at fault, so that it is not asked again when the run goes on.
    pub(crate) fn final_for_request(&self) -> bool {
        matches!(self, Self::Filtered | Self::CutAtLength | Self::NotParsed(_) | Self::TooLarge(_))
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "check that the server runs and the address in the provider's SPEC",
            Self::Stalled(_) | Self::TooSlow(_) => {
                "run it again to go on where it stopped; --set provider.idle_timeout_s=N and call_timeout_s=N allow more"
            }
            Self::CutOff | Self::Status { .. } | Self::Malformed(_) | Self::Batch(_) => {
                "run it again: finished calls are kept and not repeated"
            }
            Self::KeyRefused(_) => "set ALOE_KEY_HOST (the host in capitals, other characters as _) to the host's key",
            Self::NotFound => "check model and address: the address usually ends in /v1",
            Self::Redirected(_) => "name the address that it redirects to, if you trust it",
            Self::TooLarge(_) => "this is no answer of a chat model; check the address",
            Self::CutAtLength => "--set trees.reply_max_tokens=N and its siblings allow longer answers",
            Self::Filtered => "such conversations are left out",
            Self::NotRecorded => "replay with the seed, numbers and files that it was recorded with",
            Self::NotParsed(_) => "a larger model, or an endpoint with structured outputs, keeps to the form",
        }
    }
}
