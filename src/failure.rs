//! How a command ends that didn't do what it was asked: an exit code that scripts can rely on, and one sentence that
//! says what to do next.

use crate::config::{Config, Faults};
use crate::{index, kafka};
use std::fmt;

/// The exit codes, after sysexits.h. 0 is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Wrong usage.
    Usage = 64,
    /// A check or verification found faults.
    BadData = 65,
    /// Kafka or Redis cannot be reached.
    Unreachable = 69,
    /// Our own fault.
    Internal = 70,
    /// Bad configuration.
    BadConfig = 78,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub sentence: String,
}

impl Failure {
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { exit, sentence }
    }

    /// No broker answered a one-shot command in time.
    #[must_use]
    pub fn kafka_away(config: &Config, error: &kafka::Error) -> Self {
        let brokers = &config.kafka.brokers;
        let next = "see whether it is up and kafka.brokers and kafka.security are right, then try again";
        Self::new(
            Exit::Unreachable,
            format!("Kafka at {brokers} can't be reached ({error}): {next}"),
        )
    }

    #[must_use]
    pub fn code(&self) -> u8 {
        self.exit as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::new(Exit::BadConfig, faults.to_string())
    }
}

impl From<kafka::Error> for Failure {
    fn from(error: kafka::Error) -> Self {
        use kafka::Error::{Client, Misuse, OffsetOutOfRange, TimedOut, Unfit};
        let (exit, next) = match &error {
            Client { .. } | TimedOut { .. } => {
                let next = "see whether Kafka is up and kafka.brokers and kafka.security are right, then try again";
                (Exit::Unreachable, next)
            }
            OffsetOutOfRange { .. } => (Exit::BadData, "see how long that topic keeps its records"),
            Unfit(_) => (Exit::BadConfig, "change it and try again"),
            Misuse(_) => (Exit::Internal, "report it, the fault is ours"),
        };
        Self::new(exit, format!("{error}: {next}"))
    }
}

impl From<index::Error> for Failure {
    fn from(error: index::Error) -> Self {
        use index::ErrorKind::{Corrupt, Denied, Full, Misuse, Unavailable};
        let (exit, next) = match error.kind() {
            Unavailable => (
                Exit::Unreachable,
                "see whether Redis is up and index.url is right, then try again",
            ),
            Denied => (
                Exit::Unreachable,
                "see whether index.user and index.password are right, and may do it",
            ),
            Full => (Exit::Unreachable, "give Redis more memory, then try again"),
            Corrupt => (Exit::BadData, "see whether another program writes under index.prefix"),
            Misuse => (Exit::Internal, "report it, the fault is ours"),
        };
        Self::new(exit, format!("{error}: {next}"))
    }
}
