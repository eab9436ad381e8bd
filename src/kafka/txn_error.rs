//! What a transactional call's error calls for, by librdkafka's own marks first and by code where they are silent.
//! What it can't tell is ambiguous, never harmless.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::delivery::{Blame, blames_records};
use super::native::NativeError;
use super::{ClientError, Error, Kind};

#[derive(Debug, thiserror::Error)]
pub enum TxnError {
    /// Call the same again; what was begun goes on meanwhile.
    #[error("{doing}: not done yet: {source}")]
    Retriable { doing: &'static str, source: ClientError },
    /// The transaction can't be committed any more: abort it, fold again.
    #[error("{doing}: the transaction is to be aborted: {source}")]
    RequiresAbort { doing: &'static str, source: ClientError },
    /// The group has gone on: this generation or member may not commit. Right for a zombie, and seen by rightful owners
    /// between the group's new generation and their own sync: abort, poll, and see what is still owned.
    #[error("{doing}: fenced by the group: {source}")]
    GroupFence { doing: &'static str, source: ClientError },
    /// Another producer has taken this transactional id: replace the producer, trust nothing cached.
    #[error("{doing}: fenced by another producer of the same id: {source}")]
    Fenced { doing: &'static str, source: ClientError },
    /// The producer is of no use any more, or never will be: replace it; if that fails the same way, stop.
    #[error("{doing}: the producer failed: {source}")]
    Fatal { doing: &'static str, source: ClientError },
    /// Nobody can say whether it was done: replace the producer and look at the log.
    #[error("{doing}: the outcome is unknown: {source}")]
    Ambiguous { doing: &'static str, source: ClientError },
    /// Records that were not taken, by their tags; what is said against a record goes before anything else.
    #[error("records {tags:?} were not taken: {source}")]
    NotDelivered {
        tags: Vec<usize>,
        blame: Blame,
        source: ClientError,
    },
    /// Time ran out with records on their way: flush again or abort.
    #[error("{unsettled} records were not settled in time")]
    FlushTimedOut { unsettled: usize },
    /// The client's queue stayed full: abort.
    #[error("the producer's queue is full")]
    QueueFull,
    /// The consumer is no member of its group, so nothing would fence the commit: abort, poll.
    #[error("the consumer is no member of its group")]
    NotAMember,
    /// What this producer was told may still be on its way, and could decide its next transaction: open another.
    #[error("a request of the last transaction was slow or had to be made again")]
    Suspect,
    /// The positions can't be sent as they are; a fault of ours.
    #[error("positions that can't be sent")]
    Positions(#[source] Box<Error>),
}

impl TxnError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Retriable { .. } | Self::FlushTimedOut { .. } => Kind::Retry,
            Self::RequiresAbort { .. } | Self::GroupFence { .. } | Self::NotDelivered { .. } => Kind::Abort,
            Self::QueueFull | Self::NotAMember => Kind::Abort,
            Self::Fenced { .. } | Self::Ambiguous { .. } | Self::Suspect => Kind::Replace,
            Self::Fatal { source, .. } if refused(source.code()) => Kind::Fatal,
            Self::Fatal { .. } => Kind::Replace,
            Self::Positions(_) => Kind::Fatal,
        }
    }

    /// Whether the brokers said that somebody else has taken the transactional id, or that its time was over.
    pub fn is_fence(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }

    /// Whether the brokers allow no transactions as long as ours may be.
    pub fn is_of_timeout(&self) -> bool {
        matches!(self, Self::Fatal { source, .. } if source.code() == Some(Code::InvalidTransactionTimeout))
    }

    pub(super) fn of(doing: &'static str, source: KafkaError) -> Self {
        let native = match &source {
            KafkaError::Transaction(error) => NativeError {
                code: error.code(),
                text: String::new(),
                fatal: error.is_fatal(),
                retriable: error.is_retriable(),
                requires_abort: error.txn_requires_abort(),
            },
            // Not from the transactional calls themselves: opening a client, or the flush within a commit.
            KafkaError::Flush(code) => NativeError {
                code: *code,
                text: String::new(),
                fatal: false,
                retriable: true,
                requires_abort: false,
            },
            other => NativeError {
                code: other.rdkafka_error_code().unwrap_or(Code::Fail),
                text: String::new(),
                fatal: true,
                retriable: false,
                requires_abort: false,
            },
        };
        Self::classify(doing, &native, ClientError::of(&source))
    }

    pub(super) fn of_native(doing: &'static str, native: NativeError) -> Self {
        Self::classify(doing, &native, ClientError::told(native.code, native.text.clone()))
    }

    /// An error of handing a record to the client.
    pub(super) fn of_send(tag: usize, source: KafkaError) -> Self {
        let doing = "producing a record";
        match source.rdkafka_error_code() {
            Some(Code::QueueFull) => Self::QueueFull,
            Some(code) if blames_records(code) => Self::NotDelivered {
                tags: vec![tag],
                blame: Blame::Record,
                source: ClientError::of(&source),
            },
            Some(Code::Fatal) => Self::Fatal {
                doing,
                source: ClientError::of(&source),
            },
            Some(Code::Fenced) => Self::Fenced {
                doing,
                source: ClientError::of(&source),
            },
            // The library refuses records once the transaction is to be aborted (`State`); of an unknown topic or
            // partition nothing was sent either.
            _ => Self::RequiresAbort {
                doing,
                source: ClientError::of(&source),
            },
        }
    }

    fn classify(doing: &'static str, native: &NativeError, source: ClientError) -> Self {
        match native.code {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Self::Fenced { doing, source },
            _ if native.fatal => Self::Fatal { doing, source },
            Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch => Self::GroupFence { doing, source },
            _ if native.requires_abort => Self::RequiresAbort { doing, source },
            _ if native.retriable => Self::Retriable { doing, source },
            _ => Self::Ambiguous { doing, source },
        }
    }
}

/// No other producer will be let in either.
fn refused(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::TransactionalIdAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::InvalidTransactionTimeout
                | Code::UnsupportedFeature
                | Code::UnsupportedVersion
                | Code::InvalidArgument
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(code: Code, fatal: bool, retriable: bool, requires_abort: bool) -> TxnError {
        TxnError::of_native(
            "t",
            NativeError {
                code,
                text: String::new(),
                fatal,
                retriable,
                requires_abort,
            },
        )
    }

    #[test]
    fn a_fence_and_a_time_that_is_not_allowed_are_told_from_other_errors() {
        let of = |code| native(code, true, false, false);
        for (error, fence, timeout) in [
            (of(Code::Fenced), true, false),
            (of(Code::InvalidProducerEpoch), true, false),
            (of(Code::InvalidTransactionTimeout), false, true),
            (of(Code::TransactionalIdAuthorizationFailed), false, false),
            (of(Code::GaplessGuarantee), false, false),
        ] {
            assert_eq!((error.is_fence(), error.is_of_timeout()), (fence, timeout), "{error:?}");
        }
        assert_eq!(of(Code::InvalidTransactionTimeout).kind(), Kind::Fatal);
    }

    #[test]
    fn each_error_calls_for_one_thing() {
        let rows = [
            (native(Code::OperationTimedOut, false, true, false), Kind::Retry),
            (native(Code::NotEnoughReplicas, false, false, true), Kind::Abort),
            (native(Code::IllegalGeneration, false, false, true), Kind::Abort),
            (native(Code::Fenced, true, false, false), Kind::Replace),
            (native(Code::InvalidProducerEpoch, false, false, true), Kind::Replace),
            (native(Code::GaplessGuarantee, true, false, false), Kind::Replace),
            (
                native(Code::TransactionalIdAuthorizationFailed, true, false, false),
                Kind::Fatal,
            ),
            (native(Code::Unknown, false, false, false), Kind::Replace),
        ];
        for (error, kind) in rows {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn an_unmarked_error_is_ambiguous_and_a_group_fence_is_named() {
        assert!(matches!(
            native(Code::Unknown, false, false, false),
            TxnError::Ambiguous { .. }
        ));
        assert!(matches!(
            native(Code::UnknownMemberId, false, false, true),
            TxnError::GroupFence { .. }
        ));
    }

    #[test]
    fn a_record_that_is_too_large_is_named_by_its_tag() {
        let error = TxnError::of_send(7, KafkaError::MessageProduction(Code::MessageSizeTooLarge));
        assert!(matches!(&error, TxnError::NotDelivered { tags, blame: Blame::Record, .. } if tags == &[7]));
        assert_eq!(error.kind(), Kind::Abort);
    }
}
