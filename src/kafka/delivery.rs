//! What became of each produced record, by the caller's tag. Filled by the producer's own thread, read after a flush; knows
//! nothing of transactions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header as NativeHeader, Message, OwnedHeaders};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};

use super::client_log::ClientLog;
use super::txn_error::TxnError;
use super::{ClientError, NewHeader};

/// Where a record went. Certain once its transaction is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub tag: usize,
    pub partition: i32,
    pub offset: i64,
}

/// Whose fault it is that records were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The brokers, the network, time, rights: the same record may be taken later.
    Surroundings,
    /// The one record named: it will never be taken.
    Record,
    /// At least one of those named will never be taken; the others may only have shared its batch. To know, produce each in
    /// a transaction of its own. (librdkafka puts a batch's only record error on all of the batch: `rd_kafka_dr_msgq0`.)
    AmongThese,
}

#[derive(Default)]
pub(super) struct Deliveries(Mutex<State>);

#[derive(Default)]
struct State {
    delivered: Vec<Delivered>,
    failed: Vec<(usize, Code, KafkaError)>,
}

impl Deliveries {
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.delivered.clear();
        state.failed.clear();
    }

    pub(super) fn take(&self) -> Vec<Delivered> {
        let mut state = self.state();
        let expected = state.delivered.len();
        std::mem::replace(&mut state.delivered, Vec::with_capacity(expected))
    }

    /// The failure to act on: what is said against records goes before what befell them, and what befell them before
    /// what followed from it (purges).
    pub(super) fn failure(&self) -> Option<TxnError> {
        let state = self.state();
        let rank = |code: &Code| match code {
            code if blames_records(*code) => 0,
            Code::PurgeQueue | Code::PurgeInflight | Code::InvalidDifferentRecord => 2,
            _ => 1,
        };
        let worst = state.failed.iter().map(|(_, code, _)| rank(code)).min()?;
        let mut told = state.failed.iter().filter(|(_, code, _)| rank(code) == worst);
        let (tag, _, source) = told.next()?;
        let mut tags = vec![*tag];
        tags.extend(told.map(|(tag, _, _)| *tag));
        tags.sort_unstable();
        let blame = match (worst, tags.len()) {
            (0, 1) => Blame::Record,
            (0, _) => Blame::AmongThese,
            _ => Blame::Surroundings,
        };
        Some(TxnError::NotDelivered {
            tags,
            blame,
            source: ClientError::of(source),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// These say that no broker will ever take a record, or the batch that it was in.
pub(super) fn blames_records(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::MessageBatchTooLarge
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::BadMessage
    )
}

/// The producer's side of [`Deliveries`].
pub(super) struct Reports {
    deliveries: Arc<Deliveries>,
    log: ClientLog,
}

impl Reports {
    pub(super) fn to(deliveries: Arc<Deliveries>) -> Self {
        let log = ClientLog::default();
        Self { deliveries, log }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.log.line(level as i32, &format!("{facility}: {line}"));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka_client_error");
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let mut state = self.deliveries.state();
        match result {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                state.delivered.push(Delivered { tag, partition, offset });
            }
            Err((error, _)) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                state.failed.push((tag, code, error.clone()));
            }
        }
    }
}

pub(super) fn owned_headers(headers: &[NewHeader]) -> Option<OwnedHeaders> {
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    (!headers.is_empty()).then(|| {
        headers.iter().fold(empty, |built, (key, value)| {
            built.insert(NativeHeader {
                key,
                value: value.as_deref(),
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(codes: &[(usize, Code)]) -> Deliveries {
        let deliveries = Deliveries::default();
        for (tag, code) in codes {
            deliveries
                .state()
                .failed
                .push((*tag, *code, KafkaError::MessageProduction(*code)));
        }
        deliveries
    }

    #[test]
    fn what_is_said_against_a_record_goes_before_what_befell_the_others() {
        let deliveries = failed(&[
            (1, Code::PurgeQueue),
            (2, Code::InvalidDifferentRecord),
            (3, Code::InvalidRecord),
            (4, Code::MessageTimedOut),
        ]);
        let Some(TxnError::NotDelivered { tags, blame, .. }) = deliveries.failure() else {
            panic!("no failure")
        };
        assert_eq!((tags, blame), (vec![3], Blame::Record));
    }

    #[test]
    fn a_cause_goes_before_its_consequences() {
        let Some(TxnError::NotDelivered { tags, blame, .. }) = failed(&[
            (1, Code::PurgeQueue),
            (4, Code::MessageTimedOut),
            (2, Code::MessageTimedOut),
        ])
        .failure() else {
            panic!("no failure")
        };
        assert_eq!((tags, blame), (vec![2, 4], Blame::Surroundings));
    }

    #[test]
    fn of_several_that_are_blamed_none_is_blamed_for_certain() {
        let deliveries = failed(&[(1, Code::InvalidRecord), (2, Code::InvalidRecord)]);
        let Some(TxnError::NotDelivered { tags, blame, .. }) = deliveries.failure() else {
            panic!("no failure")
        };
        assert_eq!((tags, blame), (vec![1, 2], Blame::AmongThese));
    }

    #[test]
    fn nothing_failed_is_no_failure() {
        assert!(failed(&[]).failure().is_none());
    }
}
