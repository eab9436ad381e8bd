//! Judges every committed transaction again, from the logs and from what its process had been fed, with a state of its own
//! that no index ever held. What differs from what was written is a broken promise.

use crate::insight::Fed;
use crate::kafka::Kafka;
use crate::kafka::coordinator::Txn;
use crate::process::{Pid, Process};
use crate::setup::Shared;
use crate::transact::REFUSED;
use crate::workload::POISON;
use chatroom_router::contract::TopicKind;
use chatroom_router::domain::record::{Key, Known, Record, View};
use chatroom_router::domain::time::Instant;
use chatroom_router::index::Op;
use chatroom_router::judging::{self, Facts, Judged, SettingsTable};
use chatroom_router::kafka::{NewRecord, TopicPartition};
use chatroom_router::protocol::{Life, Partition, Report};
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::{Input, Progress};
use chatroom_router::state::working_set::Write;
use chatroom_router::state::{clocks, codec};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

pub type State = HashMap<Key, Arc<Record>>;

/// A task as it must be after its last committed transaction.
pub struct Model {
    pub progress: Progress,
    pub state: State,
    /// Of the last progress record, in the changelog.
    pub offset: i64,
}

pub struct Oracle {
    shared: Shared,
    grace_ms: i64,
    pub tasks: BTreeMap<Partition, Model>,
    pub seen: BTreeMap<&'static str, u64>,
    /// The most that the changes of one transaction take in an overlay.
    pub largest: usize,
    /// Records that were deleted before they were judged, and of which somebody said, or nobody could know, that it may be so.
    forgone: BTreeSet<(TopicPartition, i64)>,
    pids: Pid,
}

/// All that there is of a state.
pub struct Here<'a>(pub &'a State);

impl View for Here<'_> {
    fn get(&self, key: &Key) -> Known {
        self.0
            .get(key)
            .map_or(Known::Absent, |record| Known::Here(record.clone()))
    }
}

/// One task's part of a transaction: what the log says.
struct Part<'a> {
    partition: Partition,
    progress: Progress,
    offset: i64,
    changes: BTreeMap<RecordKey, Option<&'a [u8]>>,
}

/// What it should say.
struct Expected {
    state: State,
    /// What was written, and what stood there before.
    written: BTreeMap<Key, Option<Arc<Record>>>,
    outputs: Vec<NewRecord>,
    judged: BTreeSet<(TopicPartition, i64)>,
    /// The latest decision time of each input.
    decided: BTreeMap<TopicPartition, Instant>,
}

impl Oracle {
    pub fn new(shared: Shared, grace_ms: i64) -> Self {
        Self {
            shared,
            grace_ms,
            tasks: BTreeMap::new(),
            seen: BTreeMap::new(),
            largest: 0,
            forgone: BTreeSet::new(),
            pids: 0,
        }
    }

    pub fn next_pid(&mut self) -> Pid {
        self.pids += 1;
        self.pids
    }

    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn reported(&mut self, report: &Report) {
        self.count(match report {
            Report::RecoveryBegun { cause, .. } => cause,
            Report::Rebuilding { why, .. } => why,
            Report::Committed(_) => "committed",
            Report::Aborted { .. } => "aborted",
            Report::Fenced { .. } => "producer lost",
            Report::Restored { .. } => "restored",
            Report::Unavailable { .. } => "unavailable",
            Report::NoProgress { .. } => "no progress",
            _ => return,
        });
    }

    /// The offset that the settings of a transaction were read up to, as its progress records say.
    pub fn settings_named_by(&self, txn: &Txn) -> i64 {
        let named: BTreeSet<i64> = self.progress_of(txn).map(|progress| progress.settings_next).collect();
        assert!(named.len() <= 1, "one transaction names different settings: {named:?}");
        named.into_iter().next().unwrap_or(0)
    }

    fn progress_of(&self, txn: &Txn) -> impl Iterator<Item = Progress> {
        let changelog = self.shared.topic(TopicKind::RouterChangelog);
        let records = txn.records.iter().filter(|(at, ..)| at.topic == *changelog);
        let progress = records.filter(|(.., record)| record.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes()));
        progress.map(|(.., record)| Progress::decode(record.value.as_deref().unwrap_or_default()).expect("we wrote it"))
    }

    fn parts<'a>(&self, txn: &'a Txn) -> Vec<Part<'a>> {
        let changelog = self.shared.topic(TopicKind::RouterChangelog);
        let mut parts: BTreeMap<Partition, (Option<Progress>, i64, BTreeMap<_, _>)> = BTreeMap::new();
        for (at, offset, record) in txn.records.iter().filter(|(at, ..)| at.topic == *changelog) {
            let part = parts.entry(at.partition).or_default();
            let key = RecordKey::parse(record.key.as_deref().unwrap_or_default()).expect("a key of ours");
            assert!(part.0.is_none(), "{at}: a record after the progress record");
            if key == RecordKey::PROGRESS {
                part.0 = Some(Progress::decode(record.value.as_deref().unwrap_or_default()).expect("we wrote it"));
                part.1 = *offset;
            } else {
                let twice = part.2.insert(key, record.value.as_deref());
                assert!(twice.is_none(), "{at}: one key twice in a transaction");
            }
        }
        let part =
            |(partition, (progress, offset, changes)): (Partition, (Option<Progress>, i64, BTreeMap<_, _>))| Part {
                partition,
                progress: progress
                    .unwrap_or_else(|| panic!("partition {partition}: changes without a progress record")),
                offset,
                changes,
            };
        parts.into_iter().map(part).collect()
    }

    /// A transaction was decided to be committed.
    pub fn committed(&mut self, kafka: &Kafka, txn: &Txn, table: &SettingsTable) {
        let parts = self.parts(txn);
        let changelog = self.shared.topic(TopicKind::RouterChangelog);
        let mut actual: Vec<&NewRecord> = txn
            .records
            .iter()
            .filter(|(at, ..)| at.topic != *changelog)
            .map(|(.., record)| &**record)
            .collect();
        assert!(!parts.is_empty() || actual.is_empty(), "outputs without progress");
        self.check_settings(&actual);
        let weight = |(at, _, record): &(TopicPartition, i64, Rc<NewRecord>)| {
            let ours = at.topic == *changelog;
            if ours {
                256 + 3 * record.value.as_ref().map_or(0, Vec::len)
            } else {
                0
            }
        };
        self.largest = self.largest.max(txn.records.iter().map(weight).sum());
        let mut total = 0;
        for part in parts {
            let (before, state) = match self.tasks.remove(&part.partition) {
                Some(model) => (Some(model.progress), model.state),
                None => (None, State::new()),
            };
            let expected = self.judge((kafka, txn), &part, (before.as_ref(), state), (table, &actual));
            let passed_over = self.check_positions(kafka, txn, (&part, before.as_ref()), &expected);
            self.forgone.extend(passed_over);
            self.check_changes(&part, &expected);
            let erased = part.changes.values().filter(|value| value.is_none()).count();
            *self.seen.entry("tombstones").or_default() += erased as u64;
            total += expected.outputs.len();
            let mut rest = actual.iter();
            for (place, output) in expected.outputs.iter().enumerate() {
                let found = rest.any(|actual| *actual == output);
                assert!(
                    found,
                    "partition {}: output {place} is missing or out of order: {}",
                    part.partition,
                    shown(output)
                );
            }
            let model = Model {
                progress: part.progress,
                state: expected.state,
                offset: part.offset,
            };
            self.tasks.insert(part.partition, model);
            for output in &expected.outputs {
                if let Some(place) = actual.iter().position(|actual| *actual == output) {
                    actual.remove(place);
                }
            }
        }
        let shown: Vec<String> = actual.iter().map(|record| shown(record)).collect();
        assert!(
            actual.is_empty(),
            "{total} outputs were due, and these were not:\n{}",
            shown.join("\n")
        );
    }

    /// The settings of an org are accepted one after the other, each judged by what the one before it led to.
    fn check_settings(&self, outputs: &[&NewRecord]) {
        let topic = self.shared.topic(TopicKind::RouterSettings);
        let mut orgs = BTreeSet::new();
        for accepted in outputs.iter().filter(|record| record.topic == *topic) {
            let first = orgs.insert(&accepted.key);
            assert!(
                first,
                "two settings of one org are accepted at once: {:?}",
                accepted.key
            );
        }
    }

    fn judge(
        &self,
        (kafka, txn): (&Kafka, &Txn),
        part: &Part<'_>,
        (before, state): (Option<&Progress>, State),
        (table, actual): (&SettingsTable, &[&NewRecord]),
    ) -> Expected {
        let facts = self.shared.facts(part.partition, part.progress.incarnation);
        let mut expected = Expected {
            state,
            written: BTreeMap::new(),
            outputs: Vec::new(),
            judged: BTreeSet::new(),
            decided: BTreeMap::new(),
        };
        let next_of = |progress: &Progress, at: &TopicPartition| progress.next_of(&self.input(at)).unwrap_or(0);
        let fed = txn.insight.get(&part.partition).map_or(&[][..], Vec::as_slice);
        for fed in fed {
            match &**fed {
                Fed::Record {
                    at: place,
                    wall,
                    settings_stable,
                } => {
                    let at = place.topic_partition();
                    let from = before.map_or(0, |before| next_of(before, &at));
                    if !(from..next_of(&part.progress, &at)).contains(&place.offset) {
                        continue;
                    }
                    assert!(
                        *settings_stable <= table.next_offset(),
                        "{place} was judged by settings up to {}, and {settings_stable} could be read when it came",
                        table.next_offset()
                    );
                    let first = expected.judged.insert((at.clone(), place.offset));
                    assert!(first, "{place} was fed twice");
                    let data = kafka.log(&at).data(place.offset).expect("what was read is there");
                    let prepared = judging::prepare(data.read(place.clone()), &facts, *wall).expect("readable");
                    let decided = expected.decided.entry(at).or_insert(prepared.decided_at());
                    *decided = (*decided).max(prepared.decided_at());
                    let mut judged = again(judging::judge(&prepared, &facts, &Here(&expected.state), table));
                    if judged.records.iter().any(|record| self.is_poison(record)) {
                        judged = judging::give_up(&prepared, &facts, REFUSED);
                    }
                    expected.take(judged);
                }
                Fed::Sweep { value, horizon } => {
                    let Some(prepared) = judging::prepare_sweep(value, &facts, *horizon) else {
                        continue;
                    };
                    let judged = again(judging::judge(&prepared, &facts, &Here(&expected.state), table));
                    // It may not have been in this batch; the next record fires what it would have.
                    if judged.records.first().is_some_and(|first| actual.contains(&first)) {
                        expected.take(judged);
                    }
                }
            }
        }
        expected
    }

    /// Whether there is an entry whose timers were due by then, under the days that are in force yet, and have not fired.
    pub fn is_due(&self, partition: Partition, horizon: Instant, table: &SettingsTable) -> bool {
        let Some(model) = self.tasks.get(&partition) else {
            return false;
        };
        let facts = self.shared.facts(partition, model.progress.incarnation);
        let cutoffs = judging::sweep_cutoffs(table, horizon, Some(horizon));
        let is_found = |op: &Op| match op {
            Op::Clock {
                clock,
                start: Some(start),
                ..
            } => cutoffs.iter().any(|(name, upto)| name == clock && start <= upto),
            _ => false,
        };
        let is_due = |(key, record): (&Key, &Arc<Record>)| {
            let value = codec::encode(facts.format, key, Some(&**record)).unwrap_or_default();
            let ops = clocks::replay(&facts.state_key.record_key(key), Some(&value)).expect("readable");
            let prepared = judging::prepare_sweep(&value, &facts, horizon).filter(|_| ops.iter().any(is_found));
            prepared.is_some_and(|prepared| {
                let judged = again(judging::judge(&prepared, &facts, &Here(&model.state), table));
                !judged.records.is_empty()
            })
        };
        let mut phones = model.state.iter().filter(|(key, _)| matches!(key, Key::Phone(..)));
        phones.any(is_due)
    }

    fn is_poison(&self, record: &NewRecord) -> bool {
        let topics = [
            TopicKind::RoutedMessages,
            TopicKind::UnroutedMessages,
            TopicKind::OutboundMessages,
        ];
        let ours = topics.iter().any(|kind| *self.shared.topic(*kind) == record.topic);
        let value = record.value.as_deref().unwrap_or_default();
        ours && value.windows(POISON.len()).any(|part| part == POISON.as_bytes())
    }

    pub fn input(&self, at: &TopicPartition) -> Input {
        self.shared.config.topics.input(at)
    }

    /// Somebody says that these positions hold.
    pub fn accepted(&mut self, kafka: &Kafka, partition: Partition, progress: Progress, offset: i64) {
        let Some(model) = self.tasks.get_mut(&partition) else {
            return;
        };
        for (input, position) in &progress.inputs {
            let at = TopicPartition::new(input.topic.clone(), input.partition);
            let from = model.progress.next_of(input).unwrap_or(0);
            let passed_over = (from..position.next).map(|offset| (at.clone(), offset));
            self.forgone.extend(passed_over);
            assert!(
                position.next <= kafka.log(&at).high(),
                "{at} is passed over beyond its end"
            );
        }
        (model.progress, model.offset) = (progress, offset);
    }

    /// Whether nobody need judge that record.
    pub fn is_forgone(&self, at: &TopicPartition, offset: i64) -> bool {
        !self.forgone.is_empty() && self.forgone.contains(&(at.clone(), offset))
    }

    /// From the last progress record to this one, every committed record of every input was judged, and no other; but where an
    /// input was unknown before, what was deleted by then is given back.
    fn check_positions(
        &self,
        kafka: &Kafka,
        txn: &Txn,
        (part, before): (&Part<'_>, Option<&Progress>),
        expected: &Expected,
    ) -> BTreeSet<(TopicPartition, i64)> {
        let partition = part.partition;
        let sequence = before.map_or(0, |progress| progress.sequence);
        assert_eq!(
            part.progress.sequence,
            sequence + 1,
            "partition {partition}: the sequence of its transactions"
        );
        if let Some(before) = before {
            check_succession(before, part);
        }
        let (mut due, mut passed_over) = (BTreeSet::new(), BTreeSet::new());
        for (input, position) in &part.progress.inputs {
            let at = TopicPartition::new(input.topic.clone(), input.partition);
            let from = before.and_then(|before| before.next_of(input)).unwrap_or(0);
            assert!(position.next >= from, "{at} went back from {from} to {}", position.next);
            assert!(position.next <= kafka.log(&at).high(), "{at} is read beyond its end");
            let is_new = before.is_none_or(|before| before.next_of(input).is_none());
            let begins = if is_new { kafka.log(&at).low() } else { 0 };
            for offset in decided(kafka, &at, from, position.next) {
                let record = (at.clone(), offset);
                if offset < begins && !expected.judged.contains(&record) {
                    passed_over.insert(record);
                } else {
                    due.insert(record);
                }
            }
            let was = before.and_then(|before| before.inputs.get(input)?.decided_to);
            let decided_to = was.max(expected.decided.get(&at).copied());
            assert_eq!(position.decided_to, decided_to, "{at}: how far its time has come");
            let sent = txn.offsets.as_ref().and_then(|offsets| offsets.get(&at));
            assert!(
                sent.is_none_or(|sent| *sent == position.next),
                "{at}: {sent:?} sent, {} written",
                position.next
            );
            assert!(
                sent.is_some() || position.next == from,
                "{at}: moved without its offset"
            );
        }
        let lost: Vec<_> = due.difference(&expected.judged).collect();
        let extra: Vec<_> = expected.judged.difference(&due).collect();
        assert!(
            lost.is_empty() && extra.is_empty(),
            "partition {partition}: lost {lost:?}, too many {extra:?}"
        );
        let offsets = txn
            .offsets
            .as_ref()
            .unwrap_or_else(|| panic!("partition {partition}: a transaction without offsets"));
        let own = TopicPartition::new(self.shared.topic(TopicKind::RouterCommands).clone(), partition);
        assert!(
            offsets.contains_key(&own),
            "partition {partition}: a transaction without its offsets"
        );
        passed_over
    }

    fn check_changes(&self, part: &Part<'_>, expected: &Expected) {
        let partition = part.partition;
        let facts: Facts = self.shared.facts(partition, part.progress.incarnation);
        let mut known: BTreeMap<RecordKey, &Key> = BTreeMap::new();
        for (key, was) in &expected.written {
            let record = expected.state.get(key);
            let record_key = facts.state_key.record_key(key);
            known.insert(record_key, key);
            let value = codec::encode(facts.format, key, record.map(|record| &**record));
            let was = was.as_ref();
            match part.changes.get(&record_key) {
                Some(actual) => {
                    assert!(
                        *actual == value.as_deref(),
                        "partition {partition}: {key:?} is written otherwise"
                    );
                    assert!(was != record, "partition {partition}: {key:?} is written as it was");
                }
                None => assert!(was == record, "partition {partition}: a change of {key:?} is missing"),
            }
        }
        let stray: Vec<&RecordKey> = part.changes.keys().filter(|key| !known.contains_key(key)).collect();
        assert!(
            stray.is_empty(),
            "partition {partition}: changes that nothing called for: {stray:?}"
        );
    }

    /// A search for timers is asked for: not ahead of what was read.
    pub fn may_sweep(&self, process: &Process, life: Life, horizons: &[Instant]) {
        let task = process
            .core
            .tasks()
            .find(|task| task.life == life)
            .expect("it asks for its timers");
        let Some(search) = task.running().and_then(|running| running.sweep.searching) else {
            return;
        };
        let horizon = search.horizon;
        let progress = self.tasks.get(&life.partition).map(|model| &model.progress);
        let decided = |at: &TopicPartition| progress?.inputs.get(&self.input(at))?.decided_to;
        let stream = task.inputs.iter().map(decided).min().flatten();
        let by_stream = stream.is_some_and(|stream| horizon <= stream.plus(-self.grace_ms));
        let by_clock = horizons.iter().any(|told| horizon <= *told);
        assert!(
            by_stream || by_clock,
            "partition {}: a sweep ahead of its input, to {horizon:?}",
            life.partition
        );
    }
}

/// The committed records of a stretch, none of which may be undecided.
fn decided<'a>(kafka: &'a Kafka, at: &'a TopicPartition, from: i64, to: i64) -> impl Iterator<Item = i64> + use<'a> {
    let slots = kafka
        .log(at)
        .slots()
        .filter(move |(offset, _)| (from..to).contains(offset));
    slots.filter_map(move |(offset, slot)| {
        let committed = kafka.is_committed(slot.txn);
        assert!(
            slot.data.is_none() || committed.is_some(),
            "{at}@{offset} was passed over while undecided"
        );
        (slot.data.is_some() && committed == Some(true)).then_some(offset)
    })
}

/// What one progress record takes over from the one before it.
fn check_succession(before: &Progress, part: &Part<'_>) {
    let partition = part.partition;
    assert_eq!(
        part.progress.incarnation, before.incarnation,
        "partition {partition}: its incarnation"
    );
    assert!(
        part.progress.settings_next >= before.settings_next,
        "partition {partition}: older settings"
    );
    let kept = before
        .inputs
        .keys()
        .all(|input| part.progress.inputs.contains_key(input));
    assert!(kept, "partition {partition}: an input was forgotten");
}

impl Expected {
    fn take(&mut self, judged: Judged) {
        for Write { key, record, .. } in judged.writes {
            let was = match record {
                Some(record) => self.state.insert(key.clone(), Arc::new(record)),
                None => self.state.remove(&key),
            };
            self.written.entry(key).or_insert(was);
        }
        self.outputs.extend(judged.records);
    }
}

fn again<E>(judged: Result<Judged, E>) -> Judged {
    judged.unwrap_or_else(|_| panic!("judging asks for what is there"))
}

pub fn shown(record: &NewRecord) -> String {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{} {:?} {:?}", record.topic, text(&record.key), text(&record.value))
}
