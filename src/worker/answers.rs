//! What the outcome of a step of a transaction is to the protocol. Pure: nothing that may have happened is told as if it had not,
//! and nothing that may not have is told as done.

use crate::kafka::transaction::Blame;
use crate::kafka::{Delivered, Kind, TxnError};
use crate::protocol::TransactionAnswer;

/// Which end was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Commit,
    Abort,
}

/// How the asking for it went.
#[derive(Debug)]
pub(super) enum Ended {
    Done,
    Again(TxnError),
    MustAbort(TxnError),
    Gone(TxnError),
}

/// Why a transaction was not begun. A producer that is suspect lost nothing: it is only not to be used again.
pub(super) fn not_begun(error: &TxnError) -> TransactionAnswer {
    match error {
        TxnError::Suspect => TransactionAnswer::NotBegun,
        error => TransactionAnswer::ProducerLost(error.to_string()),
    }
}

/// Of offsets that were not sent in time nobody knows whether they will be: they are sent again with another transaction.
pub(super) fn of_offsets(sent: Result<(), TxnError>) -> TransactionAnswer {
    match sent {
        Ok(()) => TransactionAnswer::OffsetsSent,
        Err(error) if error.kind() == Kind::Retry => TransactionAnswer::MustAbort(error.to_string()),
        Err(error) => failed(error),
    }
}

/// None: ask again, as long as somebody waits on.
pub(super) fn of_end(ends: Ends, ended: Ended, waits_on: bool) -> Option<TransactionAnswer> {
    Some(match ended {
        Ended::Done => match ends {
            Ends::Commit => TransactionAnswer::Committed,
            Ends::Abort => TransactionAnswer::Aborted,
        },
        Ended::Again(_) if waits_on => return None,
        Ended::MustAbort(error) => TransactionAnswer::MustAbort(error.to_string()),
        // Only the log knows.
        Ended::Again(error) | Ended::Gone(error) => TransactionAnswer::ProducerLost(error.to_string()),
    })
}

/// What came of the records, whose time to be settled is over.
pub(super) fn of_flush(flushed: Result<Vec<Delivered>, TxnError>) -> TransactionAnswer {
    match flushed {
        Ok(delivered) => TransactionAnswer::Flushed(by_place(&delivered)),
        Err(error @ TxnError::FlushTimedOut { .. }) => TransactionAnswer::MustAbort(error.to_string()),
        Err(error) => failed(error),
    }
}

/// The offsets in the order in which the records were sent.
fn by_place(delivered: &[Delivered]) -> Vec<Option<i64>> {
    let mut offsets = vec![None; delivered.iter().map(|one| one.tag + 1).max().unwrap_or(0)];
    for Delivered { tag, offset, .. } in delivered {
        if let Some(place) = offsets.get_mut(*tag) {
            *place = Some(*offset);
        }
    }
    offsets
}

/// An error of a step within an open transaction.
pub(super) fn failed(error: TxnError) -> TransactionAnswer {
    let sentence = error.to_string();
    match (error.kind(), error) {
        (
            _,
            TxnError::NotDelivered {
                tags,
                blame: Blame::Record,
                ..
            },
        ) if !tags.is_empty() => TransactionAnswer::RecordRefused {
            place: tags[0],
            sentence,
        },
        (
            _,
            TxnError::NotDelivered {
                blame: Blame::AmongThese,
                ..
            },
        ) => TransactionAnswer::SomeRefused(sentence),
        (Kind::Retry | Kind::Abort, _) => TransactionAnswer::MustAbort(sentence),
        (Kind::Replace | Kind::Fatal, _) => TransactionAnswer::ProducerLost(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> TxnError {
        TxnError::FlushTimedOut { unsettled: 1 }
    }

    #[test]
    fn an_end_is_told_only_if_it_is_certain() {
        for (ends, done) in [(Ends::Commit, "Committed"), (Ends::Abort, "Aborted")] {
            let told = |ended, waits_on| format!("{:?}", of_end(ends, ended, waits_on));
            for waits_on in [true, false] {
                assert_eq!(told(Ended::Done, waits_on), format!("Some({done})"));
                assert!(told(Ended::Gone(late()), waits_on).starts_with("Some(ProducerLost"));
                assert!(told(Ended::MustAbort(late()), waits_on).starts_with("Some(MustAbort"));
            }
            assert_eq!(told(Ended::Again(late()), true), "None");
            assert!(told(Ended::Again(late()), false).starts_with("Some(ProducerLost"));
        }
    }

    #[test]
    fn offsets_that_may_not_have_been_sent_are_not_told_as_sent() {
        assert!(matches!(of_offsets(Ok(())), TransactionAnswer::OffsetsSent));
        for error in [late(), TxnError::NotAMember] {
            assert!(matches!(of_offsets(Err(error)), TransactionAnswer::MustAbort(_)));
        }
        let lost = of_offsets(Err(TxnError::Suspect));
        assert!(matches!(lost, TransactionAnswer::ProducerLost(_)), "{lost:?}");
    }

    #[test]
    fn a_suspect_producer_is_replaced_before_anything_is_lost_with_it() {
        assert!(matches!(not_begun(&TxnError::Suspect), TransactionAnswer::NotBegun));
        assert!(matches!(not_begun(&late()), TransactionAnswer::ProducerLost(_)));
    }

    #[test]
    fn offsets_come_in_the_order_in_which_the_records_were_sent() {
        let one = |tag, offset| Delivered {
            tag,
            partition: 0,
            offset,
        };
        let told = of_flush(Ok(vec![one(2, 9), one(0, 7)]));
        assert!(matches!(told, TransactionAnswer::Flushed(offsets) if offsets == [Some(7), None, Some(9)]));
        assert!(matches!(of_flush(Err(late())), TransactionAnswer::MustAbort(_)));
    }
}
