//! Records that the broker refuses, when they are judged or when what they changed is written.

use super::batches::message;
use super::*;
use chatroom_router::kafka::NewRecord;

impl Hand {
    /// Judges the message at that offset; the broker refuses of its records the first to that topic. What is produced then.
    fn refused(&mut self, offset: i64, kind: TopicKind) -> Vec<NewRecord> {
        self.tell(Event::Record(message(self, 0, offset)));
        let records = self.produced();
        let topic = self.shared.topic(kind).clone();
        let place = records.iter().position(|record| record.topic == topic);
        self.tell(Event::Transaction(TransactionAnswer::RecordRefused {
            place: place.expect("one of that topic"),
            sentence: "too large".to_owned(),
        }));
        self.tell(Event::Transaction(TransactionAnswer::Aborted));
        let done = self.after(10_000);
        self.begins(0, done)
    }

    fn letters(&self, records: &[NewRecord]) -> usize {
        let topic = self.shared.topic(TopicKind::DeadLetters);
        records.iter().filter(|record| record.topic == *topic).count()
    }
}

#[test]
fn a_record_whose_change_is_refused_becomes_a_dead_letter_like_one_whose_output_is() {
    for kind in [TopicKind::RouterChangelog, TopicKind::UnroutedMessages] {
        let mut hand = Hand::at_work(1);
        let records = hand.refused(0, kind);
        assert_eq!(hand.letters(&records), 1, "{kind:?}");
    }
}

#[test]
fn records_that_turn_out_bad_when_they_are_judged_halt_their_input() {
    let halts = |actions: &[Action]| {
        let halts = |action: &Action| matches!(action, Action::Report(Report::Halted { offset: 2, .. }));
        actions.iter().any(halts)
    };
    let mut hand = Hand::at_work(1);
    let first = hand.refused(0, TopicKind::UnroutedMessages).len();
    assert!(!halts(&hand.committed(first)), "one of its last two records was bad");
    let second = hand.refused(1, TopicKind::UnroutedMessages).len();
    assert!(halts(&hand.committed_from(first as i64, second)), "and now both were");
}

#[test]
fn a_transaction_that_is_said_to_stand_before_an_earlier_one_is_found_out_about_anew() {
    let mut hand = Hand::at_work(1);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let records = hand.produced().len();
    hand.committed_from(10, records);
    hand.tell(Event::Record(message(&hand, 0, 1)));
    let records = hand.produced().len();
    let ended = hand.committed_from(5, records);
    assert!(
        is_asked(&ended, |question| matches!(question, RecoveryQuestion::Committed(_))),
        "{ended:?}"
    );
}
