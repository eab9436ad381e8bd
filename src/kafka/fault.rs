//! What a client says went wrong by itself, told apart by what it means for its owner. Mends nothing.

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{Position, TopicPartition};

/// What the client says went wrong while nothing was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The position does not exist on the broker (records were deleted, or a log was cut). This partition has stopped.
    #[error("{at}: offset {offset} is not on the broker: {text}")]
    OffsetOutOfRange {
        at: TopicPartition,
        offset: i64,
        text: String,
    },
    /// One partition can't be read for now (rights, a damaged batch, ...). The client tries again by itself.
    #[error("{at}: {source}")]
    Partition {
        at: TopicPartition,
        source: super::ClientError,
    },
    /// No broker can be reached; the client tries again by itself.
    #[error("no broker can be reached: {0}")]
    AllBrokersDown(String),
    /// The brokers refuse us; nothing passes until the configuration changes.
    #[error("refused: {source}")]
    Refused { source: super::ClientError },
    /// A passing failure that the client deals with by itself.
    #[error("{source}")]
    Transient { source: super::ClientError },
    /// The group takes another for the member of our instance id, be it our own earlier self: this consumer is of no use any
    /// more. Another one may be opened.
    #[error("the group has fenced this instance: {source}")]
    Fenced { source: super::ClientError },
    /// This consumer is of no use any more, and another would be of none either.
    #[error("the consumer failed: {source}")]
    Fatal { source: super::ClientError },
}

/// A code that names its cause goes before the mark that all is over.
pub(super) fn classify(code: Code, text: String, fatal: bool, at: Option<Position>) -> Fault {
    let source = super::ClientError::told(code, text.clone());
    match (code, at) {
        (Code::FencedInstanceId, _) => Fault::Fenced { source },
        _ if fatal => Fault::Fatal { source },
        (Code::Fatal | Code::Fenced, _) => Fault::Fatal { source },
        (Code::AutoOffsetReset, Some(at)) => Fault::OffsetOutOfRange {
            at: at.topic_partition(),
            offset: at.offset,
            text,
        },
        (_, Some(at)) => Fault::Partition {
            at: at.topic_partition(),
            source,
        },
        (Code::AllBrokersDown, None) => Fault::AllBrokersDown(text),
        (Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL, None) => Fault::Refused { source },
        (Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed, None) => Fault::Refused { source },
        (Code::ClusterAuthorizationFailed, None) => Fault::Refused { source },
        (_, None) => Fault::Transient { source },
    }
}
