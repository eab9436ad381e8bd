//! What recovery makes of answers that seldom come, or come in an order that seldom does.

use super::batches::message;
use super::*;
use std::cell::Cell;

/// Of what would be built, or was.
fn of(hand: &Hand) -> Generation {
    Generation {
        incarnation: Uuid::from_u128(7),
        generation: Uuid::from_u128(8),
        format: hand.shared.expected.index_format(),
    }
}

impl Hand {
    /// With a changelog that is not empty, and an index that was applied up to there.
    pub(super) fn with_an_index(offset: i64) -> Self {
        let mut hand = Self::new();
        let of = of(&hand);
        hand.high = 100;
        hand.progress = Some(Progress {
            sequence: 21,
            ..Progress::first(&hand.shared.expected, of.incarnation)
        });
        hand.marker = Some(Marker {
            of,
            offset,
            begun_at: BEGINNING_MS,
            applied_until: Some(BEGINNING_MS),
        });
        hand
    }

    /// Told of its partition, while Redis may throw entries away; how many builds it begins, and what was done at last.
    fn joins_an_unfit_index(&mut self) -> (u32, Vec<Action>) {
        let marker = Cell::new(self.marker);
        let begun = Cell::new(0);
        let unfit = |question: &RecoveryQuestion| match question {
            RecoveryQuestion::Marker => Some(RecoveryAnswer::Untrusted {
                why: "Redis may evict".to_owned(),
                marker: marker.get(),
            }),
            RecoveryQuestion::Begin(begin) => {
                begun.set(begun.get() + 1);
                let empty = Marker {
                    of: begin.of,
                    offset: begin.offset,
                    begun_at: begin.at,
                    applied_until: None,
                };
                marker.set(Some(empty));
                Some(RecoveryAnswer::Begun(Begun::Begun(empty)))
            }
            _ => None,
        };
        let asked = self.is_given_it();
        self.recover_with(asked, unfit);
        let again = self.after(1_000);
        self.recover_with(again, unfit);
        let again = self.after(60_000);
        let done = self.recover_with(again, unfit);
        self.marker = marker.get();
        (begun.get(), done)
    }
}

#[test]
fn an_index_that_may_lose_what_it_holds_is_given_up_once_and_its_partition_stops() {
    let mut hand = Hand::with_an_index(90);
    let (begun, done) = hand.joins_an_unfit_index();
    assert!(stop_of(&done).is_some_and(|why| why.contains("evict")) && !hand.is_running());
    assert_eq!(begun, 1, "whoever comes next finds it empty: {done:?}");
    // Were it to end where a changelog that was cut begins, nobody would see that something is missing.
    let mut hand = Hand::with_an_index(90);
    hand.low = 9;
    hand.joins_an_unfit_index();
    assert_eq!(hand.marker.map(|marker| marker.offset), Some(0));
}

#[test]
fn a_build_that_another_replaced_or_that_lost_its_end_is_looked_at_anew_while_it_is_filled() {
    let marker = Hand::with_an_index(40).marker.expect("a build");
    for applied in [Applied::Foreign(None), Applied::Gap(marker)] {
        let mut hand = Hand::with_an_index(90);
        let told = Cell::new(false);
        let asked = hand.is_given_it();
        let looked = Cell::new(0);
        hand.recover_with(asked, |question| match question {
            RecoveryQuestion::Committed(_) => {
                looked.set(looked.get() + 1);
                None
            }
            RecoveryQuestion::Apply { .. } => (!told.replace(true)).then_some(RecoveryAnswer::Applied(applied)),
            _ => None,
        });
        assert!(hand.is_running());
        assert_eq!(looked.get(), 2, "{applied:?}");
    }
}

#[test]
fn what_was_found_before_is_no_part_of_what_is_found_anew() {
    let mut hand = Hand::with_an_index(90);
    // Other transactions stand below the marker.
    (hand.sequence, hand.below) = (Some(20), Some(17));
    hand.joins();
    assert!(!hand.is_running());
    // By now nothing stands there.
    hand.low = 95;
    hand.progress = hand.progress.take().map(|last| Progress { begins: 95, ..last });
    let again = hand.after(1_000);
    hand.recover(again);
    assert!(hand.is_running() && hand.marker.is_some_and(|marker| marker.offset == 95));
}

#[test]
fn two_contradictions_that_were_found_once_each_stop_nothing() {
    let mut hand = Hand::new();
    let first = Progress::first(&hand.shared.expected, Uuid::from_u128(7));
    (hand.low, hand.progress) = (9, Some(first.clone()));
    hand.joins();
    hand.progress = Some(Progress {
        settings_next: 5,
        ..first
    });
    let again = hand.after(1_000);
    let other = hand.recover(again);
    assert!(stop_of(&other).is_none() && !hand.is_running(), "{other:?}");
}

#[test]
fn the_first_progress_record_says_where_the_changelog_begins() {
    let mut hand = Hand::new();
    hand.low = 9;
    hand.assigned();
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let asked = hand.after(1_000);
    let records = hand.produced_above(9, &asked);
    let last = records.last().and_then(|record| record.value.as_deref());
    let progress = Progress::decode(last.expect("a progress record")).expect("readable");
    assert_eq!(progress.begins, 9, "what stood before it was never ours");
}

#[test]
fn a_partition_that_stopped_for_good_is_not_set_going_by_a_doubt_of_its_index() {
    let mut hand = Hand::new();
    hand.tell(hand.counts(2));
    hand.assigned();
    let shrunk = hand.tell(hand.counts(1));
    assert!(stop_of(&shrunk).is_some());
    for doubt in [Event::IndexDiffers(0), Event::IndexUnfit] {
        let told = hand.tell(doubt);
        assert!(!is_asked(&told, |_| true), "{told:?}");
    }
}
