//! Records of `router-commands` that can't be read.

use super::*;

/// A passed-on record with that as its last header.
fn passed_on(hand: &Hand, offset: i64, header: (&str, &[u8])) -> Event {
    Event::Record(Record {
        at: hand.at(TopicKind::RouterCommands).at(offset),
        key: None,
        value: Some(b"noise".to_vec()),
        headers: vec![(header.0.to_owned(), Some(header.1.to_vec()))],
        timestamp: Some(BEGINNING_MS),
        timestamp_kind: TimestampKind::Append,
    })
}

/// Takes the batch that these actions ask the settings for to its end: what it produced, and the offsets that it committed.
fn commit(hand: &mut Hand, asked: &[Action]) -> (usize, Vec<(TopicPartition, i64)>) {
    let began = hand.settings(asked);
    assert!(matches!(step_of(began), Some(TransactionStep::Begin)));
    let TransactionStep::Produce(records) = hand.step(TransactionAnswer::Begun) else {
        panic!("nothing is produced");
    };
    hand.step(TransactionAnswer::Produced);
    let offsets = hand.delivered(records.len());
    hand.step(TransactionAnswer::OffsetsSent);
    hand.tell(Event::Transaction(TransactionAnswer::Committed));
    (records.len(), offsets)
}

#[test]
fn what_stands_before_a_record_that_cant_be_read_is_committed_before_its_partition_stops_there() {
    let mut hand = Hand::new();
    hand.assigned();
    let commands = hand.at(TopicKind::RouterCommands);
    hand.tell(passed_on(&hand, 5, ("router_format", b"2")));
    hand.tell(passed_on(&hand, 6, ("noise", b"")));
    hand.tell(Event::EndReached(commands.at(9)));
    let asked = hand.after(1_000);
    assert!(hand.is_running(), "what stands before it comes first");
    let (_, offsets) = commit(&mut hand, &asked);
    assert!(offsets.contains(&(commands, 5)), "no further: {offsets:?}");
    let why = stop_of(&hand.after(1)).expect("a stop").to_owned();
    for part in [
        "router-commands-0@5 can't be read",
        "positions accept log --partition 0",
    ] {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn a_record_that_cant_be_read_and_is_the_next_stops_its_partition_at_once() {
    let mut hand = Hand::new();
    hand.assigned();
    hand.tell(passed_on(&hand, 0, ("router_format", b"2")));
    assert!(stop_of(&hand.after(1)).is_some());
}

#[test]
fn a_record_that_somebody_else_wrote_to_the_passed_on_is_a_dead_letter_and_stops_nothing() {
    let mut hand = Hand::new();
    hand.assigned();
    hand.tell(passed_on(&hand, 0, ("noise", b"")));
    let asked = hand.after(1_000);
    let (produced, offsets) = commit(&mut hand, &asked);
    assert_eq!(produced, 2, "the letter and the progress record");
    assert!(
        offsets.contains(&(hand.at(TopicKind::RouterCommands), 1)),
        "{offsets:?}"
    );
    assert!(stop_of(&hand.after(1)).is_none());
}
