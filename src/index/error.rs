//! What can go wrong with the index, each with a kind that decides whether to try again, and the cause kept.

use std::error::Error as StdError;

/// What a failed call means for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not reached, too slow, loading, failing over: whether the call took effect isn't known. Try again, for ever.
    Unavailable,
    /// Out of memory: writes are refused, reads go on. Try again, and page.
    Full,
    /// The credentials, their rights or the address are wrong. Trying again may help only after somebody acts.
    Denied,
    /// The index holds what this program did not write, or answers what it did not ask.
    Corrupt,
    /// The caller broke the contract of the call. Nothing was sent.
    Misuse,
}

/// A failed call to the index.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    kind: ErrorKind,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Error {
            kind,
            what: what.into(),
            source: None,
        }
    }

    pub(super) fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(cause));
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anybody changing the program or its configuration.
    pub fn is_retriable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Full)
    }
}

/// Why the index isn't fit for use, found by looking at it rather than by a call that failed. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Call(#[from] Error),
    #[error(
        "Redis at {node} has the maxmemory-policy {policy}, which may throw entries away: \
         set it to noeviction, both now (CONFIG SET maxmemory-policy noeviction) and in its configuration"
    )]
    Policy { node: String, policy: String },
    #[error("Redis at {node} is version {version}: use Redis 7.0 or later, or Valkey")]
    Version { node: String, version: String },
    #[error("Redis at {node} is a replica: give the address of the master, or of the sentinels that know it")]
    Replica { node: String },
}

impl Fault {
    /// Whether what the index was given may be gone, without a sign.
    #[must_use]
    pub fn loses_entries(&self) -> bool {
        matches!(self, Self::Policy { .. })
    }

    /// Whether it may be gone by itself at the next look.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_retriable())
    }
}
