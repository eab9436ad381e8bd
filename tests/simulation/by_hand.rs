//! What no schedule is long or strange enough to show: a core that is told, event by event, what happens to it.

mod batches;
mod clock;
mod flow;
mod isolation;
mod judging;
mod leaving;
mod recovering;
mod refused;
mod settings;
mod unreadable;

use crate::rng::Rng;
use crate::setup::{BEGINNING_MS, Setup, Shared};
use chatroom_router::contract::TopicKind;
use chatroom_router::domain::ids::OrgId;
use chatroom_router::domain::settings::{Content, Days, DaysChange, InboundScope, OrgSettings};
use chatroom_router::domain::time::Instant;
use chatroom_router::index::{Applied, Begun, Generation, Marker, Read};
use chatroom_router::judging::SettingsTable;
use chatroom_router::kafka::{Rebalance, Record, TimestampKind, TopicPartition};
use chatroom_router::protocol::burst::Limit;
use chatroom_router::protocol::{
    Action, Core, DueEntries, Event, Life, Now, RecoveryAnswer, RecoveryQuestion, Report, Seen, TransactionAnswer,
    TransactionStep, Unanswered,
};
use chatroom_router::state::progress::Progress;
use chatroom_router::state::wire::Format;
use std::sync::Arc;
use uuid::Uuid;

const HOUR_MS: u64 = 3_600_000;

/// A core with one partition of each input, its clock, and what it says of the changelog and of the index.
struct Hand {
    core: Core,
    shared: Shared,
    now_ms: u64,
    progress: Option<Progress>,
    marker: Option<Marker>,
    /// The transaction that the index holds, and the one that the changelog holds below its marker.
    sequence: Option<u64>,
    below: Option<u64>,
    /// Where the changelog begins, and where it ends.
    low: i64,
    high: i64,
    /// Where the accepted settings end.
    settings_end: i64,
    /// Redis threw something away while nobody looked.
    spoilt: bool,
}

impl Hand {
    fn new() -> Self {
        Self::of(1)
    }

    fn of(partitions: i32) -> Self {
        let setup = Setup {
            partitions,
            max_records: 20,
            burst: Limit {
                records: 2,
                percent: 50,
            },
            ..Setup::new(&mut Rng::new(1))
        };
        let shared = Shared::of(partitions);
        let mut uuids = Rng::new(2);
        let now = clocks(0);
        let core = Core::new(shared.protocol(&setup, None), now, Box::new(move || uuids.uuid()));
        let mut hand = Self {
            core,
            shared,
            now_ms: 0,
            progress: None,
            marker: None,
            sequence: None,
            below: None,
            low: 0,
            high: 0,
            settings_end: 0,
            spoilt: false,
        };
        hand.tell(hand.counts(1));
        hand
    }

    fn at(&self, kind: TopicKind) -> TopicPartition {
        TopicPartition::new(self.shared.topic(kind).clone(), 0)
    }

    fn counts(&self, count: i32) -> Event {
        let topics = TopicKind::INPUTS.map(|kind| (self.shared.topic(kind).clone(), count));
        Event::InputCounts(topics.to_vec())
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.core.handle(event, clocks(self.now_ms))
    }

    /// Lets time pass; what is done then.
    fn after(&mut self, ms: u64) -> Vec<Action> {
        self.now_ms += ms;
        self.tell(Event::Tick)
    }

    /// Answers all questions of recovery that these actions ask, as far as it goes. Gives back all else that is done.
    fn recover(&mut self, actions: Vec<Action>) -> Vec<Action> {
        self.recover_with(actions, |_| None)
    }

    /// The same, but for what is answered otherwise.
    fn recover_with(
        &mut self,
        mut actions: Vec<Action>,
        otherwise: impl Fn(&RecoveryQuestion) -> Option<RecoveryAnswer>,
    ) -> Vec<Action> {
        let mut done = Vec::new();
        while let Some(place) = actions.iter().position(|action| matches!(action, Action::Recover(..))) {
            let Action::Recover(life, question) = actions.remove(place) else {
                unreachable!("it was found there")
            };
            let answer = otherwise(&question).unwrap_or_else(|| self.answer(question));
            done.append(&mut actions);
            actions = self.tell(Event::Recovered(life, answer));
        }
        done.append(&mut actions);
        done
    }

    fn answer(&mut self, question: RecoveryQuestion) -> RecoveryAnswer {
        match question {
            RecoveryQuestion::Committed(inputs) => RecoveryAnswer::Committed(vec![None; inputs.len()]),
            RecoveryQuestion::Watermarks { inputs, .. } => RecoveryAnswer::Watermarks {
                low: self.low,
                high: self.high.max(self.low),
                input_lows: vec![0; inputs.len()],
                input_ends: vec![i64::MAX; inputs.len()],
                settings_end: self.settings_end,
            },
            RecoveryQuestion::ProgressBelow { .. } => RecoveryAnswer::ProgressBelow(self.progress_of(self.below)),
            RecoveryQuestion::LastProgress { .. } => RecoveryAnswer::LastProgress(self.progress.clone()),
            RecoveryQuestion::Marker => RecoveryAnswer::Seen(Seen {
                marker: self.marker,
                progress: self.progress_of(self.sequence),
                spoilt: std::mem::take(&mut self.spoilt),
            }),
            RecoveryQuestion::Begin(begin) => {
                let marker = Marker {
                    of: begin.of,
                    offset: begin.offset,
                    begun_at: begin.at,
                    applied_until: Some(begin.at),
                };
                self.marker = Some(marker);
                RecoveryAnswer::Begun(Begun::Begun(marker))
            }
            RecoveryQuestion::Replay { to, .. } => RecoveryAnswer::Replayed {
                changes: Vec::new(),
                next: to,
            },
            RecoveryQuestion::Apply { .. } => RecoveryAnswer::Applied(Applied::Applied),
        }
    }

    /// The one of that number.
    fn progress_of(&self, sequence: Option<u64>) -> Option<Progress> {
        let last = self.progress.clone();
        sequence.zip(last).map(|(sequence, last)| Progress { sequence, ..last })
    }

    /// Told of its partition; what it asks then.
    fn is_given_it(&mut self) -> Vec<Action> {
        let commands = self.at(TopicKind::RouterCommands);
        self.tell(Event::Rebalance(Rebalance::Assigned(vec![commands])))
    }

    /// The same, and told of all that it asks.
    fn joins(&mut self) -> Vec<Action> {
        let actions = self.is_given_it();
        self.recover(actions)
    }

    /// The task runs; what was done for it.
    fn assigned(&mut self) -> Vec<Action> {
        let actions = self.joins();
        assert!(self.is_running(), "{actions:?}");
        actions
    }

    fn is_running(&self) -> bool {
        self.core.tasks().all(|task| task.running().is_some())
    }

    fn life(&self) -> Life {
        self.core.tasks().next().expect("a task").life
    }

    /// The index takes what was asked of it while there was nothing to apply, and then all that there is.
    fn acknowledges(&mut self) {
        let lives: Vec<Life> = self.core.tasks().map(|task| task.life).collect();
        for life in lives.into_iter().flat_map(|life| [life, life]) {
            self.tell(Event::Applied(life, Ok(Applied::Applied)));
        }
    }

    fn settings(&mut self, actions: &[Action]) -> Vec<Action> {
        self.settings_are(actions, SettingsTable::default())
    }

    fn settings_are(&mut self, actions: &[Action], table: SettingsTable) -> Vec<Action> {
        let asked = actions.iter().rev().find_map(|action| match action {
            Action::SyncSettings(number) => Some(*number),
            _ => None,
        });
        let question = asked.expect("a question about the settings");
        self.tell(Event::Settings(question, Some(Arc::new(table))))
    }

    fn step(&mut self, answer: TransactionAnswer) -> TransactionStep {
        let actions = self.tell(Event::Transaction(answer));
        step_of(actions).expect("a step")
    }
}

fn clocks(ms: u64) -> Now {
    Now {
        wall: Instant(BEGINNING_MS + ms as i64),
        steady_ms: ms,
    }
}

fn step_of(actions: Vec<Action>) -> Option<TransactionStep> {
    actions.into_iter().find_map(|action| match action {
        Action::Transaction(step) => Some(step),
        _ => None,
    })
}

fn stop_of(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::Report(Report::Stopped { why, .. }) => Some(&**why),
        _ => None,
    })
}

fn is_asked(actions: &[Action], what: fn(&RecoveryQuestion) -> bool) -> bool {
    let asks = |action: &Action| matches!(action, Action::Recover(_, question) if what(question));
    actions.iter().any(asks)
}

#[test]
fn an_idle_task_commits_its_offsets_again_before_they_expire() {
    let mut hand = Hand::new();
    hand.assigned();
    assert!(step_of(hand.after(11 * HOUR_MS)).is_none());
    let mut actions = hand.after(2 * HOUR_MS);
    actions.extend(hand.after(1_000));
    let began = hand.settings(&actions);
    assert!(matches!(step_of(began), Some(TransactionStep::Begin)));
    let TransactionStep::Produce(records) = hand.step(TransactionAnswer::Begun) else {
        panic!("nothing is produced");
    };
    assert_eq!(records.len(), 1, "the progress record");
    assert!(matches!(hand.step(TransactionAnswer::Produced), TransactionStep::Flush));
    let flushed = TransactionAnswer::Flushed(vec![Some(0)]);
    let TransactionStep::SendOffsets(offsets) = hand.step(flushed) else {
        panic!("no offsets are sent");
    };
    assert_eq!(offsets.len(), 1 + TopicKind::INPUTS.len());
    assert!(matches!(
        hand.step(TransactionAnswer::OffsetsSent),
        TransactionStep::Commit
    ));
    hand.tell(Event::Transaction(TransactionAnswer::Committed));
    assert!(!hand.core.is_waiting());

    // What is committed and not in the index keeps it from leaving; that which was asked while it was idle came before.
    hand.tell(Event::Drain);
    let life = hand.life();
    hand.tell(Event::Applied(life, Ok(Applied::Applied)));
    assert!(!hand.core.is_drained());
    hand.tell(Event::Applied(life, Ok(Applied::Applied)));
    assert!(hand.core.is_drained());
}

#[test]
fn a_drain_waits_for_no_other_producer() {
    let lost = || TransactionAnswer::ProducerLost("no answer".to_owned());
    for (begun, answer) in [(true, lost()), (false, TransactionAnswer::NotBegun)] {
        let mut hand = Hand::new();
        hand.assigned();
        let mut actions = hand.after(13 * HOUR_MS);
        actions.extend(hand.after(1_000));
        hand.settings(&actions);
        if begun {
            let produce = hand.step(TransactionAnswer::Begun);
            assert!(matches!(produce, TransactionStep::Produce(_)));
        }
        hand.tell(Event::Drain);
        assert_eq!(!begun, hand.core.is_drained(), "its transaction is open: {begun}");
        hand.tell(Event::Transaction(answer));
        assert!(hand.core.is_waiting(), "for another producer");
        assert!(hand.core.is_drained());
    }
}

#[test]
fn an_input_that_has_fewer_partitions_than_before_stops_all_until_it_has_them_again() {
    let mut hand = Hand::new();
    hand.tell(hand.counts(2));
    hand.assigned();
    let shrunk = hand.tell(hand.counts(1));
    assert!(stop_of(&shrunk).is_some_and(|why| why.contains("had 2 partitions and has 1")));
    let later = hand.after(HOUR_MS);
    assert!(!is_asked(&later, |_| true), "nobody looks before they are there again");
    hand.tell(hand.counts(2));
    let again = hand.after(1);
    hand.recover(again);
    assert!(hand.is_running());
}

#[test]
fn a_changelog_that_lost_its_beginning_stops_where_the_index_is_lost_too_until_that_is_accepted() {
    let mut hand = Hand::new();
    let first = Progress::first(&hand.shared.expected, Uuid::from_u128(7));
    (hand.low, hand.progress) = (9, Some(first.clone()));
    let once = hand.joins();
    assert!(stop_of(&once).is_none());
    let again = hand.after(60_000);
    let stopped = hand.recover(again);
    assert!(stop_of(&stopped).is_some_and(|why| why.contains("positions accept log")));
    assert!(hand.marker.is_none() && !hand.is_running());
    let looked_at = hand.after(60_000);
    let stopped = hand.recover(looked_at);
    assert!(stop_of(&stopped).is_some(), "it is known already why");

    hand.progress = Some(Progress { begins: 9, ..first });
    let again = hand.after(60_000);
    hand.recover(again);
    assert!(hand.is_running() && hand.marker.is_some_and(|marker| marker.offset == 9));
}

#[test]
fn an_index_that_was_applied_from_transactions_that_stand_there_no_more_stops_its_partition() {
    let mut hand = Hand::with_an_index(90);
    let of = hand.marker.expect("a build").of;
    // The changelog lost its end, and who had it went on and wrote a transaction across the marker.
    (hand.sequence, hand.below) = (Some(20), Some(17));
    hand.joins();
    let again = hand.after(60_000);
    let stopped = hand.recover(again);
    assert!(stop_of(&stopped).is_some_and(|why| why.contains("index rebuild --partition 0 --discard-index")));

    hand.below = Some(20);
    let again = hand.after(60_000);
    hand.recover(again);
    assert!(hand.is_running() && hand.marker.is_some_and(|marker| marker.of == of));
}

#[test]
fn a_fenced_consumer_is_forgotten_once_its_tasks_are_gone() {
    let mut hand = Hand::new();
    hand.assigned();
    assert!(!hand.core.has_forgotten());
    let commands = hand.at(TopicKind::RouterCommands);
    hand.tell(Event::Rebalance(Rebalance::Lost(vec![commands])));
    assert!(hand.core.has_forgotten());
}

#[test]
fn an_offset_that_is_out_of_range_twice_stops_its_partition() {
    let mut hand = Hand::new();
    hand.assigned();
    let at = hand.at(TopicKind::InboundMessages);
    let doubted = hand.tell(Event::OutOfRange(at.clone()));
    assert!(stop_of(&doubted).is_none());
    hand.recover(doubted);
    assert!(hand.is_running(), "nothing contradicts it");
    let again = hand.tell(Event::OutOfRange(at));
    assert!(stop_of(&again).is_some_and(|why| why.contains("does not hold offset 0")));
    assert!(!hand.is_running());
}

#[test]
fn a_state_that_is_not_for_this_program_ends_it_before_the_index_is_looked_at() {
    let mut hand = Hand::new();
    let expected = hand.shared.expected;
    hand.progress = Some(Progress {
        partitions: 2,
        ..Progress::first(&expected, Uuid::from_u128(7))
    });
    let actions = hand.joins();
    let fails = |action: &Action| matches!(action, Action::Fail(why) if why.contains("topics.partitions"));
    assert!(actions.iter().any(fails), "{actions:?}");
    assert!(hand.marker.is_none());
}

#[test]
fn an_index_of_which_something_was_evicted_while_nobody_looked_is_built_anew() {
    let mut hand = Hand::new();
    let of = Generation {
        incarnation: Uuid::from_u128(7),
        generation: Uuid::from_u128(8),
        format: 1,
    };
    hand.progress = Some(Progress::first(&hand.shared.expected, of.incarnation));
    hand.marker = Some(Marker {
        of,
        offset: 0,
        begun_at: 0,
        applied_until: Some(BEGINNING_MS),
    });
    hand.spoilt = true;
    hand.assigned();
    assert_ne!(hand.marker.expect("a build").of, of);
}

#[test]
fn an_index_that_is_doubted_from_outside_is_built_anew_once_and_then_believed() {
    let mut hand = Hand::new();
    hand.assigned();
    let expected = hand.shared.expected;
    let of = hand.marker.expect("a build").of;
    hand.progress = Some(Progress::first(&expected, of.incarnation));
    let differs = hand.tell(Event::IndexDiffers(0));
    hand.recover(differs);
    let rebuilt = hand.marker.expect("a build").of;
    assert!(rebuilt != of && rebuilt.incarnation == of.incarnation);

    // A suspicion outlives a doubt, and not the build that it called for.
    let unfit = hand.tell(Event::IndexUnfit);
    assert!(is_asked(&unfit, |question| matches!(
        question,
        RecoveryQuestion::Committed(_)
    )));
    let doubted = hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    hand.recover(doubted);
    let after_the_doubt: Generation = hand.marker.expect("a build").of;
    assert!(after_the_doubt != rebuilt);
    let doubted = hand.tell(Event::SeekFailed(hand.at(TopicKind::InboundMessages)));
    hand.recover(doubted);
    assert_eq!(hand.marker.expect("a build").of, after_the_doubt);
}

fn day(number: i64) -> Instant {
    Instant(BEGINNING_MS + number * 24 * HOUR_MS as i64)
}

/// Settings of one org, with the days after which it lets chatrooms rest, each from some day on.
fn days_of_inactivity(from: &[(i64, u32)]) -> SettingsTable {
    let days = |after: u32| Days {
        deactivate_after: Some(after),
        expire_after: None,
    };
    let changes = from.iter().map(|(number, after)| DaysChange {
        at: day(*number),
        days: days(*after),
    });
    let content = Content {
        default_region: None,
        waba_phones: Vec::new(),
        days: days(from.last().expect("some days").1),
        expired_auto_reply: None,
        inbound_scope: InboundScope::default(),
    };
    let mut table = SettingsTable::default();
    let settings = OrgSettings {
        version: 0,
        content: Some(content),
        changes: changes.collect(),
    };
    table.put(OrgId::parse("acme").expect("an id"), settings);
    table
}

/// A5: what was due under the days in force at any instant is due, whether or not a sweep came by.
#[test]
fn what_is_judged_late_is_swept_by_the_days_that_were_in_force_then() {
    let mut hand = Hand::new();
    hand.assigned();
    let table = days_of_inactivity(&[(0, 1), (2, 180)]);
    let (by_the_first, by_the_last) = (day(1).plus(-1), |number: i64| day(number - 180));
    let asked = hand.after(1_000);
    hand.settings_are(&asked, table.clone());
    hand.tell(Event::ClockHorizon(day(30)));
    let sweep = |hand: &mut Hand| {
        let searched = hand.searched();
        let asked = hand.after(1_000);
        hand.settings_are(&asked, days_of_inactivity(&[(0, 1), (2, 180)]));
        searched
    };
    assert_eq!(sweep(&mut hand), Some(by_the_first));
    hand.tell(Event::ClockHorizon(day(31)));
    assert_eq!(sweep(&mut hand), Some(by_the_last(31)), "all before was swept");

    let record = Record {
        at: hand.at(TopicKind::InboundMessages).at(0),
        key: None,
        value: Some(b"noise".to_vec()),
        headers: Vec::new(),
        timestamp: Some(BEGINNING_MS),
        timestamp_kind: TimestampKind::Create,
    };
    hand.tell(Event::Record(record));
    let asked = hand.after(1_000);
    assert!(matches!(
        step_of(hand.settings_are(&asked, table)),
        Some(TransactionStep::Begin)
    ));
    let TransactionStep::Produce(records) = hand.step(TransactionAnswer::Begun) else {
        panic!("nothing is produced");
    };
    hand.step(TransactionAnswer::Produced);
    hand.committed(records.len());
    hand.tell(Event::ClockHorizon(day(32)));
    assert_eq!(sweep(&mut hand), Some(by_the_first), "by that of which this may be due");
    hand.tell(Event::ClockHorizon(day(33)));
    assert_eq!(sweep(&mut hand), Some(by_the_first), "nor has the index been given it");
    hand.acknowledges();
    hand.tell(Event::ClockHorizon(day(34)));
    assert_eq!(sweep(&mut hand), Some(by_the_first), "now it has");
    hand.tell(Event::ClockHorizon(day(35)));
    assert_eq!(sweep(&mut hand), Some(by_the_last(35)), "and once");
}

#[test]
fn a_search_for_timers_that_failed_is_made_again() {
    let mut hand = Hand::new();
    hand.assigned();
    let asked = hand.after(1_000);
    hand.settings_are(&asked, days_of_inactivity(&[(0, 1)]));
    hand.tell(Event::ClockHorizon(day(30)));
    let searches = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::FindDue(_)));
    assert!(searches(&hand.after(1)));
    assert!(!searches(&hand.after(1)), "one at a time");
    let life = hand.life();
    hand.tell(Event::Due(life, Err(Unanswered::Unavailable)));
    assert!(searches(&hand.after(1)));
}

#[test]
fn an_input_that_goes_to_another_process_is_not_halted_any_more() {
    let mut hand = Hand::new();
    hand.assigned();
    let (commands, inbound) = (hand.at(TopicKind::RouterCommands), hand.at(TopicKind::InboundMessages));
    let bad = |offset| Record {
        at: inbound.at(offset),
        key: None,
        value: Some(b"noise".to_vec()),
        headers: Vec::new(),
        timestamp: Some(BEGINNING_MS),
        timestamp_kind: TimestampKind::Create,
    };
    let reports = |actions: &[Action], is_it: fn(&Report) -> bool| {
        let is_it = |action: &Action| matches!(action, Action::Report(report) if is_it(report));
        actions.iter().any(is_it)
    };
    let taken: Vec<Action> = (0..9)
        .flat_map(|offset| hand.tell(Event::Record(bad(offset))))
        .collect();
    assert!(
        reports(&taken, |report| matches!(report, Report::Halted { .. })),
        "{taken:?}"
    );
    let revoked = hand.tell(Event::Rebalance(Rebalance::Revoked(vec![commands])));
    assert!(
        reports(&revoked, |report| matches!(report, Report::Closed { .. })),
        "{revoked:?}"
    );
    assert!(
        reports(&revoked, |report| matches!(report, Report::HaltOver { .. })),
        "{revoked:?}"
    );
}
