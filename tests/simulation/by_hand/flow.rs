//! What a worker lets come, what it no longer lets come, and what it gives back.

use super::batches::message_from;
use super::*;
use chatroom_router::kafka::NewRecord;

/// Nobody's message, at that offset.
fn next(hand: &Hand, offset: i64) -> Event {
    Event::Record(message_from(hand, "+919812345600", 0, offset))
}

fn noise(hand: &Hand, kind: TopicKind, offset: i64) -> Event {
    let message = message_from(hand, "+919812345600", 0, offset);
    Event::Record(Record {
        at: hand.at(kind).at(offset),
        value: Some(b"noise".to_vec()),
        ..message
    })
}

fn sweeps(actions: &[Action]) -> usize {
    let sweeps = |action: &&Action| matches!(action, Action::SweepForeign(0));
    actions.iter().filter(sweeps).count()
}

impl Hand {
    /// All that is collected is judged and committed: what is produced, batch by batch, and all that is done. What was asked
    /// before is given.
    fn judges_all(&mut self, mut asked: Vec<Action>) -> (Vec<Vec<NewRecord>>, Vec<Action>) {
        let (mut batches, mut done, mut first) = (Vec::new(), Vec::new(), 0);
        asked.extend(self.after(1_000));
        while self.core.is_waiting() {
            let records = self.produced_for(&asked);
            done.append(&mut asked);
            asked = self.committed_from(first, records.len());
            first += records.len() as i64;
            batches.push(records);
            asked.extend(self.after(1_000));
        }
        done.append(&mut asked);
        (batches, done)
    }

    fn tells(&mut self, events: Vec<Event>) -> Vec<Action> {
        events.into_iter().flat_map(|event| self.tell(event)).collect()
    }

    /// How many messages came out.
    fn unrouted(&self, records: &[NewRecord]) -> usize {
        let topic = self.shared.topic(TopicKind::UnroutedMessages);
        records.iter().filter(|record| record.topic == *topic).count()
    }
}

#[test]
fn what_is_collected_is_bounded_and_an_input_that_is_halted_does_not_flow_with_the_others_again() {
    let mut hand = Hand::at_work(1);
    let (halted, inbound) = (hand.at(TopicKind::CrmChanges), hand.at(TopicKind::InboundMessages));
    let bad = (0..2)
        .map(|offset| noise(&hand, TopicKind::CrmChanges, offset))
        .collect();
    hand.tells(bad);
    let rests = |action: &Action| matches!(action, Action::Pause(held) if held.contains(&inbound));
    let begins = |action: &Action| matches!(action, Action::SyncSettings(_));
    // One batch begins as soon as it is full, and two more are collected.
    let most = hand.core.config.max_records as i64;
    let batch = (0..most).map(|offset| next(&hand, offset)).collect();
    let mut told = hand.tells(batch);
    assert!(told.iter().any(begins) && !told.iter().any(rests), "{told:?}");
    let more = (most..3 * most).map(|offset| next(&hand, offset)).collect();
    told.extend(hand.tells(more));
    assert!(told.iter().any(rests), "it collects without end");
    let (_, done) = hand.judges_all(told);
    let flow = |action| match action {
        Action::Unpause(held) => held,
        _ => Vec::new(),
    };
    let flows: Vec<TopicPartition> = done.into_iter().flat_map(flow).collect();
    assert!(flows.contains(&inbound) && !flows.contains(&halted), "{flows:?}");
}

#[test]
fn a_batch_has_no_more_bytes_than_it_may_and_leaves_room_for_the_next() {
    let mut hand = Hand::at_work(1);
    hand.core.config.max_bytes = 1;
    let three = (0..3).map(|offset| next(&hand, offset)).collect();
    let told = hand.tells(three);
    assert!(!hand.core.has_room());
    let (batches, _) = hand.judges_all(told);
    let sizes: Vec<usize> = batches.iter().map(|records| hand.unrouted(records)).collect();
    assert_eq!(sizes, [1, 1, 1]);
    assert!(hand.core.has_room());
}

#[test]
fn records_are_judged_together_again_once_those_of_a_refused_batch_were_judged_alone() {
    let mut hand = Hand::at_work(1);
    let two = (0..2).map(|offset| next(&hand, offset)).collect();
    hand.tells(two);
    hand.produced();
    hand.tell(Event::Transaction(TransactionAnswer::SomeRefused(
        "too large".to_owned(),
    )));
    let aborted = hand.tell(Event::Transaction(TransactionAnswer::Aborted));
    let (batches, _) = hand.judges_all(aborted);
    let sizes: Vec<usize> = batches.iter().map(|records| hand.unrouted(records)).collect();
    assert_eq!(sizes, [1, 1], "alone");
    let more = (2..4).map(|offset| next(&hand, offset)).collect();
    hand.tells(more);
    let records = hand.produced();
    assert_eq!(hand.unrouted(&records), 2, "together");
}

/// They are what others took already.
#[test]
fn what_was_passed_on_halts_nothing_however_bad_it_is() {
    let mut hand = Hand::at_work(1);
    let bad = (0..9)
        .map(|offset| noise(&hand, TopicKind::RouterCommands, offset))
        .collect();
    let told = hand.tells(bad);
    let (_, told) = hand.judges_all(told);
    let halts = |action: &Action| matches!(action, Action::Report(Report::Halted { .. }));
    assert!(!told.iter().any(halts), "{told:?}");
}

/// There may be no room for two, and one that nobody reads any more is of no use.
#[test]
fn older_builds_are_given_back_before_another_is_filled_once_it_is_and_where_there_is_no_room() {
    let mut hand = Hand::new();
    let first = Progress::first(&hand.shared.expected, Uuid::from_u128(7));
    (hand.high, hand.progress) = (5, Some(first));
    let filled = hand.joins();
    assert!(hand.is_running());
    assert_eq!(sweeps(&filled), 2, "before it is filled, and after: {filled:?}");

    hand.high = 9;
    let full = |question: &RecoveryQuestion| match question {
        RecoveryQuestion::Apply { .. } => Some(RecoveryAnswer::Unavailable("no room".to_owned())),
        _ => None,
    };
    let doubted = hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    let done = hand.recover_with(doubted, full);
    assert!(!hand.is_running());
    assert_eq!(sweeps(&done), 1, "{done:?}");
}

#[test]
fn an_offset_that_is_out_of_range_where_others_were_read_since_is_looked_up_anew() {
    let mut hand = Hand::at_work(1);
    let inbound = hand.at(TopicKind::InboundMessages);
    let doubted = hand.tell(Event::OutOfRange(inbound.clone()));
    hand.recover(doubted);
    hand.tell(next(&hand, 0));
    let later = hand.tell(Event::OutOfRange(inbound));
    assert!(stop_of(&later).is_none(), "{later:?}");
}

/// The changelog is read by its records' own format, so each says in which it is written by now.
#[test]
fn a_progress_record_is_written_in_the_format_of_now() {
    let mut hand = Hand::new();
    let now = hand.shared.expected.format;
    let other = [Format::OLDEST, Format::NEWEST]
        .into_iter()
        .find(|format| *format != now);
    hand.progress = Some(Progress {
        format: other.expect("two formats"),
        ..Progress::first(&hand.shared.expected, Uuid::from_u128(7))
    });
    hand.assigned();
    hand.tell(next(&hand, 0));
    let records = hand.produced();
    let last = records.last().and_then(|record| record.value.as_deref());
    let progress = Progress::decode(last.expect("a progress record")).expect("readable");
    assert_eq!(progress.format, now);
}
