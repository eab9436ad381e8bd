//! What becomes of the items of a batch: refused, judged to be bad, or left behind by a partition that stops.

use super::*;
use chatroom_router::contract::instant;
use serde_json::json;

/// A record of inbound messages at that place. Nobody knows its org.
pub fn message(hand: &Hand, partition: i32, offset: i64) -> Record {
    message_from(hand, &format!("+9198123456{partition}{offset}"), partition, offset)
}

pub fn message_from(hand: &Hand, phone: &str, partition: i32, offset: i64) -> Record {
    let value = json!({"org_id": "nobody", "waba_phone": "+12025550100", "from": phone,
        "message_id": name(partition, offset), "sent_at": instant::format(Instant(BEGINNING_MS)),
        "message": {"type": "text", "text": {"body": "hello"}}});
    let topic = hand.shared.topic(TopicKind::InboundMessages).clone();
    Record {
        at: TopicPartition::new(topic, partition).at(offset),
        key: Some(format!("nobody:{phone}").into_bytes()),
        value: Some(value.to_string().into_bytes()),
        headers: Vec::new(),
        timestamp: Some(BEGINNING_MS),
        timestamp_kind: TimestampKind::Create,
    }
}

fn noise(hand: &Hand, offset: i64) -> Record {
    Record {
        value: Some(b"noise".to_vec()),
        ..message(hand, 0, offset)
    }
}

fn name(partition: i32, offset: i64) -> String {
    format!("wamid.{partition}.{offset}")
}

impl Hand {
    /// With all its partitions, and as many of each input.
    pub fn at_work(partitions: i32) -> Self {
        let mut hand = Self::of(partitions);
        hand.tell(hand.counts(partitions));
        hand.assigned_all();
        hand
    }

    fn assigned_all(&mut self) {
        let topic = self.shared.topic(TopicKind::RouterCommands).clone();
        let count = self.shared.expected.partitions.count();
        for partition in 0..count {
            // Each has an index of its own, and nothing is in it.
            self.marker = None;
            let commands = TopicPartition::new(topic.clone(), partition);
            let actions = self.tell(Event::Rebalance(Rebalance::Assigned(vec![commands])));
            self.recover(actions);
        }
        assert!(self.is_running());
    }

    /// So many records are delivered, from offset 0 on; the offsets that are sent then.
    pub fn delivered(&mut self, records: usize) -> Vec<(TopicPartition, i64)> {
        self.delivered_from(0, records)
    }

    fn delivered_from(&mut self, first: i64, records: usize) -> Vec<(TopicPartition, i64)> {
        let offsets = (first..).take(records).map(Some).collect();
        match self.step(TransactionAnswer::Flushed(offsets)) {
            TransactionStep::SendOffsets(offsets) => offsets,
            other => panic!("no offsets are sent: {other:?}"),
        }
    }

    /// So many records are delivered, and their transaction is committed.
    pub fn committed(&mut self, records: usize) -> Vec<Action> {
        self.committed_from(0, records)
    }

    /// The same, from that offset on.
    pub fn committed_from(&mut self, first: i64, records: usize) -> Vec<Action> {
        self.delivered_from(first, records);
        self.step(TransactionAnswer::OffsetsSent);
        self.tell(Event::Transaction(TransactionAnswer::Committed))
    }

    /// Nothing is in the index, which was applied up to there.
    pub fn nothing_read(&mut self, offset: i64, actions: &[Action]) -> Vec<Action> {
        let mut done = Vec::new();
        for action in actions {
            if let Action::Read { life, of, keys } = action {
                let marker = Marker {
                    of: *of,
                    offset,
                    begun_at: 0,
                    applied_until: None,
                };
                let value = vec![None; keys.len()];
                done.extend(self.tell(Event::Values(*life, Ok(Read::Found { marker, value }))));
            }
        }
        done
    }

    /// What is collected is judged; what the transaction is given.
    pub fn produced(&mut self) -> Vec<chatroom_router::kafka::NewRecord> {
        let asked = self.after(1_000);
        self.produced_for(&asked)
    }

    /// The same, where that was asked for it.
    pub fn produced_for(&mut self, asked: &[Action]) -> Vec<chatroom_router::kafka::NewRecord> {
        self.produced_above(0, asked)
    }

    /// The same, where the index was applied up to that offset.
    pub fn produced_above(&mut self, offset: i64, asked: &[Action]) -> Vec<chatroom_router::kafka::NewRecord> {
        let mut done = self.nothing_read(offset, asked);
        done.extend(self.settings(asked));
        self.begins(offset, done)
    }

    /// What the transaction is given that begins once what is asked for was not found in the index, applied up to that offset.
    pub fn begins(&mut self, offset: i64, mut done: Vec<Action>) -> Vec<chatroom_router::kafka::NewRecord> {
        let more = self.nothing_read(offset, &done);
        done.extend(more);
        assert!(matches!(step_of(done), Some(TransactionStep::Begin)));
        let TransactionStep::Produce(records) = self.step(TransactionAnswer::Begun) else {
            panic!("nothing is produced");
        };
        self.step(TransactionAnswer::Produced);
        records
    }
}

fn halts(actions: &[Action]) -> bool {
    let halts = |action: &Action| matches!(action, Action::Report(Report::Halted { .. }));
    actions.iter().any(halts)
}

#[test]
fn what_was_given_up_is_found_out_again_once_other_items_of_the_batch_are_gone() {
    let mut hand = Hand::at_work(2);
    for (partition, offset) in [(0, 0), (1, 0), (1, 1)] {
        hand.tell(Event::Record(message(&hand, partition, offset)));
    }
    let records = hand.produced();
    let is_about = |record: &chatroom_router::kafka::NewRecord, name: &str| {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        value.contains(name)
    };
    let place = records.iter().position(|record| is_about(record, &name(1, 0)));
    hand.tell(Event::Transaction(TransactionAnswer::RecordRefused {
        place: place.expect("something is said of it"),
        sentence: "too large".to_owned(),
    }));
    // Before the abort ends, the other task begins anew: what it had collected is gone, and all other items move.
    hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    hand.tell(Event::Transaction(TransactionAnswer::Aborted));
    let done = hand.after(60_000);
    let records = hand.begins(0, done);
    assert!(!records.iter().any(|record| is_about(record, &name(0, 0))));
    let dead = hand.shared.topic(TopicKind::DeadLetters);
    assert!(
        records.iter().all(|record| record.topic != *dead),
        "none was refused in this batch"
    );
    let sent = hand.delivered(records.len());
    assert!(sent.iter().all(|(at, _)| at.partition == 1), "{sent:?}");
}

#[test]
fn a_record_that_could_not_be_read_counts_once_as_bad() {
    let mut hand = Hand::new();
    hand.assigned_all();
    hand.tell(Event::Record(noise(&hand, 0)));
    let records = hand.produced();
    let committed = hand.committed(records.len());
    assert!(!halts(&committed), "one of its last two records was bad");
    let second = hand.tell(Event::Record(noise(&hand, 1)));
    assert!(halts(&second), "and now both were");
}

#[test]
fn nothing_that_a_partition_had_collected_is_judged_once_it_has_stopped() {
    let mut hand = Hand::new();
    hand.assigned_all();
    let at = hand.at(TopicKind::InboundMessages);
    let doubted = hand.tell(Event::OutOfRange(at.clone()));
    hand.recover(doubted);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let stopped = hand.tell(Event::OutOfRange(hand.at(TopicKind::OrgSettings)));
    hand.recover(stopped);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let again = hand.tell(Event::OutOfRange(hand.at(TopicKind::OrgSettings)));
    assert!(stop_of(&again).is_some());
    let later = hand.after(1_000);
    let asks = |action: &&Action| matches!(action, Action::SyncSettings(_));
    let asked = again.iter().chain(&later).find(asks);
    assert!(asked.is_none(), "a batch is made of it");
}

#[test]
fn a_seek_that_failed_in_an_input_of_more_partitions_doubts_the_task_that_reads_it() {
    let mut hand = Hand::new();
    hand.tell(hand.counts(3));
    hand.assigned();
    let second = TopicPartition::new(hand.shared.topic(TopicKind::InboundMessages).clone(), 2);
    let doubted = hand.tell(Event::SeekFailed(second));
    assert!(is_asked(&doubted, |question| matches!(
        question,
        RecoveryQuestion::Committed(_)
    )));
}

/// No progress record names what it has not moved, so offsets of it would contradict the changelog when it starts anew.
#[test]
fn a_task_that_its_batch_did_not_move_sends_no_offsets() {
    let mut hand = Hand::at_work(2);
    let asked = hand.after(1_000);
    hand.settings_are(&asked, days_of_inactivity(&[(0, 1)]));
    hand.tell(Event::ClockHorizon(day(30)));
    let searched = hand.after(1);
    let found = searched.iter().find_map(|action| match action {
        Action::FindDue(question) if question.life.partition == 0 => Some((question.life, question.of)),
        _ => None,
    });
    let (life, of) = found.expect("a search");
    let marker = Marker {
        of,
        offset: 0,
        begun_at: 0,
        applied_until: None,
    };
    let page = DueEntries {
        values: Vec::new(),
        whole: false,
    };
    hand.tell(Event::Record(message(&hand, 1, 0)));
    let mut asked = hand.tell(Event::Due(life, Ok(Read::Found { marker, value: page })));
    asked.extend(hand.after(1_000));
    let records = hand.produced_for(&asked);
    let sent = hand.delivered(records.len());
    assert!(
        !sent.is_empty() && sent.iter().all(|(at, _)| at.partition == 1),
        "{sent:?}"
    );
}

#[test]
fn a_commit_that_ends_late_says_nothing_of_a_life_that_began_since() {
    let mut hand = Hand::at_work(2);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let records = hand.produced();
    hand.delivered(records.len());
    hand.step(TransactionAnswer::OffsetsSent);
    let doubted = hand.tell(Event::IndexDiffers(0));
    hand.recover(doubted);
    assert!(hand.is_running());
    hand.tell(Event::Transaction(TransactionAnswer::Committed));
    let running = hand.core.tasks().next().and_then(|task| task.running());
    let running = running.expect("it runs");
    assert!(
        running.positions.values().all(|next| *next == 0),
        "recovery found nothing"
    );
    assert_eq!(running.overlay.committed(), running.overlay.acknowledged());
}

#[test]
fn a_task_whose_changelog_was_written_nobody_knows_where_finds_it_out_anew() {
    let mut hand = Hand::at_work(2);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    let records = hand.produced();
    let ended = hand.committed(records.len() - 1);
    assert!(
        is_asked(&ended, |question| matches!(question, RecoveryQuestion::Committed(_))),
        "{ended:?}"
    );
}

#[test]
fn a_batch_that_is_aborted_again_and_again_waits_longer_each_time_and_after_a_minute_somebody_knows() {
    let mut hand = Hand::at_work(2);
    hand.tell(Event::Record(message(&hand, 0, 0)));
    hand.produced();
    let (mut waits, mut told) = (Vec::new(), false);
    while !told {
        hand.tell(Event::Transaction(TransactionAnswer::MustAbort("no answer".to_owned())));
        let mut aborted = hand.tell(Event::Transaction(TransactionAnswer::Aborted));
        let since = hand.now_ms;
        told = aborted.iter().any(
            |action| matches!(action, Action::Report(Report::NoProgress { why, .. }) if why.contains("no answer")),
        );
        while !aborted
            .iter()
            .any(|action| matches!(action, Action::Transaction(TransactionStep::Begin)))
        {
            aborted = hand.after(10);
            let read = hand.nothing_read(0, &aborted);
            aborted.extend(read);
        }
        hand.step(TransactionAnswer::Begun);
        waits.push(hand.now_ms - since);
        assert!(hand.now_ms < 70_000, "nobody is told");
    }
    assert!(hand.now_ms >= 60_000, "{} ms", hand.now_ms);
    assert!(waits.is_sorted() && waits.first() < waits.last(), "{waits:?}");
}
