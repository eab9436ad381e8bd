//! What can fail outside a transaction. An error keeps its cause and says, by its [`Kind`], what the caller is to do.

use super::delivery::blames_records;
use std::borrow::Cow;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What to do about an error. Nothing else may decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The same call may succeed later: call it again, after a pause.
    Retry,
    /// Abort the transaction, keep the batch and fold it again.
    Abort,
    /// This client is of no use any more: drop it and open another.
    Replace,
    /// No client will succeed until somebody changes something: stop and say so.
    Fatal,
}

/// An error of the client library, opaque: its text and its chain of causes are all that leaves this module.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct ClientError {
    code: Option<Code>,
    text: String,
}

impl ClientError {
    pub(super) fn of(error: &KafkaError) -> Self {
        Self {
            code: match error {
                KafkaError::AdminOp(code) => Some(*code),
                other => other.rdkafka_error_code(),
            },
            text: error.to_string(),
        }
    }

    pub(super) fn told(code: Code, text: String) -> Self {
        Self { code: Some(code), text }
    }

    pub(super) fn code(&self) -> Option<Code> {
        self.code
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client refused or a broker answered with an error.
    #[error("{doing}: {source}")]
    Client {
        doing: Cow<'static, str>,
        source: ClientError,
    },
    /// Nothing moved within the deadline; nothing is known to be wrong but the time.
    #[error("{doing}: not done within {waited:?}")]
    TimedOut { doing: Cow<'static, str>, waited: Duration },
    /// The first offset that is asked for does not exist any more, or not yet.
    #[error("{at}: offset {offset} does not exist on the broker")]
    OffsetOutOfRange { at: super::TopicPartition, offset: i64 },
    /// A call that breaks the protocol of this module; a fault of ours.
    #[error("{0}")]
    Misuse(&'static str),
    /// A property or a cluster that can't work as it is.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    pub(super) fn client(doing: impl Into<Cow<'static, str>>, source: KafkaError) -> Self {
        Self::Client {
            doing: doing.into(),
            source: ClientError::of(&source),
        }
    }

    pub(super) fn code(doing: impl Into<Cow<'static, str>>, code: Code) -> Self {
        Self::client(doing, KafkaError::Global(code))
    }

    /// Whether no broker will ever take the record that was sent.
    pub fn blames_the_record(&self) -> bool {
        matches!(self, Self::Client { source, .. } if source.code().is_some_and(blames_records))
    }

    /// A seek where the client fetches no more: it gives up a partition whose offset was out of range, and only another client,
    /// or another assignment, begins to fetch of it again.
    pub fn is_of_given_up(&self) -> bool {
        matches!(self, Self::Client { source, .. } if source.code() == Some(Code::State))
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Client { source, .. } => source.code().map_or(Kind::Fatal, kind_of_code),
            Self::TimedOut { .. } => Kind::Retry,
            Self::OffsetOutOfRange { .. } | Self::Misuse(_) | Self::Unfit(_) => Kind::Fatal,
        }
    }
}

/// What a bare code means for calls outside transactions. What isn't known to pass is fatal.
fn kind_of_code(code: Code) -> Kind {
    match code {
        Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::Resolve
        | Code::TimedOutQueue
        | Code::WaitingForCoordinator
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::RebalanceInProgress
        | Code::UnstableOffsetCommit
        | Code::OffsetNotAvailable
        | Code::UnknownLeaderEpoch
        | Code::FencedLeaderEpoch
        | Code::KafkaStorageError
        | Code::ThrottlingQuotaExceeded
        | Code::BrokerDestroy => Kind::Retry,
        Code::Fatal | Code::Fenced | Code::IllegalGeneration | Code::UnknownMemberId => Kind::Replace,
        _ => Kind::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_may_come_back_and_a_refusal_stays() {
        let kind = |code| Error::code("reading", code).kind();
        assert_eq!(kind(Code::BrokerTransportFailure), Kind::Retry);
        assert_eq!(kind(Code::UnstableOffsetCommit), Kind::Retry);
        assert_eq!(kind(Code::TopicAuthorizationFailed), Kind::Fatal);
        let late = Error::client("creating", KafkaError::AdminOp(Code::OperationTimedOut));
        assert_eq!(late.kind(), Kind::Retry);
        assert_eq!(kind(Code::Fatal), Kind::Replace);
    }

    #[test]
    fn an_error_keeps_its_cause() {
        let error = Error::code("reading", Code::BrokerTransportFailure);
        assert!(std::error::Error::source(&error).is_some());
        assert!(error.to_string().starts_with("reading: "));
    }
}
