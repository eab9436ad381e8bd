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
    /// The group doesn't let us in; the client tries again by itself, and nothing passes until somebody changes something.
    #[error("the group doesn't let us in: {source}: {next}")]
    NotLetIn {
        source: super::ClientError,
        next: &'static str,
    },
    /// A passing failure that the client deals with by itself.
    #[error("{source}")]
    Transient { source: super::ClientError },
    /// The group takes another for the member of our instance id, be it our own earlier self (which under KIP-848 keeps the name
    /// until its session is over): this consumer is of no use any more. Another one may be opened.
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
        (Code::FencedInstanceId | Code::UnreleasedInstanceId, _) => Fault::Fenced { source },
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
        (_, None) => match next_of_joining(code) {
            Some(next) => Fault::NotLetIn { source, next },
            None => Fault::Transient { source },
        },
    }
}

/// What to do where the brokers refuse to take us into the group.
fn next_of_joining(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::InvalidSessionTimeout => {
            "set kafka.session_timeout_ms within the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms"
        }
        Code::InconsistentGroupProtocol => {
            "it has members that are no routers of this version and configuration: end what else uses kafka.group_id, or bring \
             kafka.group_protocol of all in line"
        }
        Code::GroupMaxSizeReached => "raise the brokers' group.max.size, or run fewer workers",
        Code::InvalidGroupId => "give kafka.group_id a name that the brokers take",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_let_into_the_group_is_told_what_to_do() {
        for (code, named) in [
            (Code::InvalidSessionTimeout, "kafka.session_timeout_ms"),
            (Code::InconsistentGroupProtocol, "kafka.group_id"),
        ] {
            let fault = classify(code, "JoinGroup failed".to_owned(), false, None);
            assert!(matches!(fault, Fault::NotLetIn { .. }), "{fault:?}");
            assert!(fault.to_string().contains(named), "{fault}");
        }
        let taken = classify(Code::UnreleasedInstanceId, String::new(), true, None);
        assert!(matches!(taken, Fault::Fenced { .. }), "{taken:?}");
        let passing = classify(Code::NotCoordinator, String::new(), false, None);
        assert!(matches!(passing, Fault::Transient { .. }), "{passing:?}");
    }
}
