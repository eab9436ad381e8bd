//! Everything that exists in one simulated run, and what happens next: a queue of happenings by virtual time. No thread, no
//! clock; the same seed gives the same run.

use crate::index::Redis;
use crate::kafka::Kafka;
use crate::kafka::coordinator::Place;
use crate::kafka::log::TxnNo;
use crate::operator::Tear;
use crate::oracle::Oracle;
use crate::process::{Pid, Process};
use crate::queue::Queue;
use crate::rng::Rng;
use crate::sabotage::{Sabotage, Spoilt};
use crate::setup::{BEGINNING_MS, Setup, Shared};
use crate::shrink::Less;
use crate::workload::Workload;
use chatroom_router::contract::{TopicKind, settings_table};
use chatroom_router::domain::time::Instant;
use chatroom_router::index::{Batch, Generation};
use chatroom_router::judging::SettingsTable;
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::horizon::Horizon;
use chatroom_router::protocol::{DueQuestion, Event, Life, Now, Partition, RecoveryQuestion};
use std::collections::BTreeMap;
use std::sync::Arc;

pub enum Happening {
    /// A process does the next thing; of several that are due, the one of the latest number counts.
    Turn(Pid, u64),
    /// Its client's own thread talks to the group.
    Heartbeat(Pid),
    /// A question of recovery is asked and answered.
    Recovery(Pid, Life, RecoveryQuestion),
    Mail(Pid, Event),
    /// It looks at the numbers of partitions.
    Counts(Pid),
    /// A script reaches the index; `pid` waits for its reply.
    Apply(Pid, Life, Generation, Batch),
    /// One for whose reply nobody waits any more.
    LateApply(Partition, Generation, Batch),
    /// A script takes all that is not of this build.
    Sweep(Partition, Generation),
    Read(Pid, Life, Generation, Vec<Vec<u8>>),
    FindDue(Pid, DueQuestion),
    SettingsThread(Pid),
    /// A marker lands.
    Land(String, TxnNo, Place),
    /// A request to end a transaction that was slow on its way.
    LateEnd(String, i32, bool),
    /// The end of a transaction of one of those who write our inputs.
    ForeignEnd(TopicPartition, TxnNo, bool),
    /// Brokers look at their deadlines.
    Expire,
    Workload,
    Fault,
    Monitor,
    Look,
    /// An operator lets an input that was halted go on, whatever comes of it for so many milliseconds.
    GoOn(TopicPartition, u64),
    /// Somebody mends a partition that stopped, and starts its process again.
    Mend(Option<Pid>, Partition),
    Start(usize),
}

/// Where a process may run: its transactional id, and its instance id.
#[derive(Default)]
pub struct Station {
    pub runs: Option<Pid>,
    pub starting: bool,
}

pub struct World {
    pub rng: Rng,
    /// Of trouble from outside, so that less of it leaves the rest as it was.
    pub luck: Rng,
    pub setup: Setup,
    pub shared: Shared,
    pub now: u64,
    /// Between the steady clock and that on the wall.
    pub wall_ahead: i64,
    pub kafka: Kafka,
    pub redis: Redis,
    pub processes: BTreeMap<Pid, Box<Process>>,
    pub slots: Vec<Station>,
    pub oracle: Oracle,
    pub workload: Workload,
    /// Nothing goes wrong any more.
    pub healed: bool,
    pub faults: u64,
    /// Actions that processes have performed, and at how many the next fault comes.
    pub actions: u64,
    pub strike_at: u64,
    pub horizons: Vec<Instant>,
    pub horizon: Horizon,
    pub trace: bool,
    /// What an operator has to mend.
    pub torn: BTreeMap<Partition, Tear>,
    /// The step at which committed offsets were read last, of each life of a task.
    pub offsets_read: BTreeMap<(Pid, Life), u64>,
    /// The watermark that each life of a task was told last.
    pub targets: BTreeMap<(Pid, Life), i64>,
    /// When it was healed, less what a sweep waits for: timers that were due by then fire.
    pub sure: Option<Instant>,
    /// Slots whose client asks a broker that no longer leads, until when, and how much of the settings that one holds.
    pub deposed: BTreeMap<usize, (u64, i64)>,
    /// Steps so far.
    pub steps: u64,
    pub turns: u64,
    /// A rule that is switched off.
    pub off: Option<Sabotage>,
    pub spoilt: Spoilt,
    queue: Queue,
    tables: BTreeMap<i64, Arc<SettingsTable>>,
}

impl World {
    pub fn new(seed: u64, less: &Less, off: Option<Sabotage>) -> Self {
        let mut rng = Rng::new(seed);
        let setup = less.of(Setup::new(&mut rng));
        let shared = Shared::of(setup.partitions);
        let mut kafka = Kafka::new(setup.partitions, setup.session_ms);
        for kind in TopicKind::ALL {
            let input = TopicKind::INPUTS.iter().position(|input| *input == kind);
            let count = match (kind, input) {
                (TopicKind::RouterCommands | TopicKind::RouterChangelog, _) => setup.partitions,
                (TopicKind::RouterSettings, _) => 1,
                (_, Some(input)) => setup.inputs[input],
                (_, None) => 2,
            };
            kafka.create(shared.topic(kind), count);
        }
        let workload = Workload::new(rng.fork(), &setup);
        let horizon = Horizon::new(setup.grace_ms);
        let luck = rng.fork();
        let slots = (0..setup.slots).map(|_| Station::default()).collect();
        Self {
            oracle: Oracle::new(shared.clone(), setup.grace_ms),
            setup,
            shared,
            now: 0,
            wall_ahead: BEGINNING_MS,
            kafka,
            redis: Redis::default(),
            processes: BTreeMap::new(),
            slots,
            workload,
            healed: false,
            faults: 0,
            actions: 0,
            strike_at: u64::MAX,
            horizons: Vec::new(),
            horizon,
            torn: BTreeMap::new(),
            offsets_read: BTreeMap::new(),
            targets: BTreeMap::new(),
            sure: None,
            deposed: BTreeMap::new(),
            steps: 0,
            turns: 0,
            trace: std::env::var_os("SIM_TRACE").is_some(),
            off,
            spoilt: Spoilt::default(),
            queue: Queue::default(),
            tables: BTreeMap::new(),
            luck,
            rng,
        }
    }

    /// Whether this rule is switched off.
    pub fn without(&self, rule: Sabotage) -> bool {
        self.off == Some(rule)
    }

    pub fn wall(&self) -> Instant {
        Instant(self.now as i64 + self.wall_ahead)
    }

    pub fn clocks(&self) -> Now {
        Now {
            wall: self.wall(),
            steady_ms: self.now,
        }
    }

    pub fn after(&mut self, ms: u64, happening: Happening) {
        self.queue.push(self.now + ms, happening);
    }

    /// A call that may go wrong, did.
    pub fn flaky(&mut self) -> bool {
        !self.healed && self.rng.chance(self.setup.flaky)
    }

    /// The time that a message takes: short, and sometimes not.
    pub fn latency(&mut self) -> u64 {
        match self.rng.below(100) {
            0..90 => self.rng.between(1, 5),
            90..99 => self.rng.between(5, 60),
            _ if self.healed => self.rng.between(5, 60),
            _ => self.rng.between(60, 3_000),
        }
    }

    /// Lets the next thing happen. False: nothing is left.
    pub fn step(&mut self) -> bool {
        let Some((at, happening)) = self.queue.pop() else {
            return false;
        };
        self.now = at;
        self.steps += 1;
        self.happen(happening);
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Turn(pid, number) => self.turn(pid, number),
            Happening::Heartbeat(pid) => self.heartbeat(pid),
            Happening::Recovery(pid, life, question) => self.recovery(pid, life, question),
            Happening::Mail(pid, event) => self.mail(pid, event),
            Happening::Counts(pid) => self.mail(pid, self.counts()),
            Happening::Apply(pid, life, of, batch) => self.apply(pid, life, of, batch),
            Happening::LateApply(partition, of, batch) => {
                self.apply_now(partition, &of, &batch);
            }
            Happening::Sweep(partition, of) => self.redis.sweep(partition, &of),
            Happening::Read(pid, life, of, keys) => self.read(pid, life, &of, &keys),
            Happening::FindDue(pid, question) => self.find_due(pid, &question),
            Happening::SettingsThread(pid) => self.settings_thread(pid),
            Happening::Land(id, no, place) => {
                if self.kafka.coordinator.current(&id).is_some_and(|txn| txn.no == no) {
                    self.kafka.land(&id, &place);
                    if let Place::Log(at) = place {
                        self.moved(&at);
                    }
                }
            }
            Happening::LateEnd(id, epoch, commit) => {
                if self.kafka.coordinator.is_awaited(&id, epoch) && self.rng.chance(900) {
                    // On its way for a little longer: there is nothing for it to decide yet.
                    let ms = self.rng.between(1, 30);
                    return self.after(ms, Happening::LateEnd(id, epoch, commit));
                }
                if let Ok(Some(_)) = self.kafka.coordinator.end(&id, epoch, commit) {
                    self.oracle.count("late end");
                    self.say(|| format!("a late request ends a transaction of {id}: commit {commit}"));
                    self.decided(&id);
                }
            }
            Happening::ForeignEnd(at, no, commit) => {
                self.kafka.log_mut(&at).land(no, commit);
                self.moved(&at);
            }
            Happening::Expire => self.expire(),
            Happening::Workload => self.produce_input(),
            Happening::Fault => self.fault(),
            Happening::Monitor => self.monitor(),
            Happening::Look => self.look(),
            Happening::Mend(pid, partition) => self.mend(pid, partition),
            Happening::GoOn(at, for_ms) => self.go_on(&at, for_ms),
            Happening::Start(slot) => self.start(slot),
        }
    }

    /// A transaction of that id was just decided: the checks look at it, and its markers go out.
    pub fn decided(&mut self, id: &str) {
        let txn = self
            .kafka
            .coordinator
            .current(id)
            .unwrap_or_else(|| panic!("{id} decided nothing"));
        let no = txn.no;
        if self.kafka.coordinator.outcome(no) == Some(true) {
            let next = self.oracle.settings_named_by(txn);
            let table = self.table(next);
            let txn = self
                .kafka
                .coordinator
                .current(id)
                .unwrap_or_else(|| panic!("{id} decided nothing"));
            self.oracle.committed(&self.kafka, txn, &table);
        }
        for place in self.kafka.coordinator.landing(id) {
            let is_slow = !self.healed && self.rng.chance(50);
            let ms = if is_slow {
                self.rng.between(50, 5_000)
            } else {
                self.latency()
            };
            self.after(ms, Happening::Land(id.to_owned(), no, place));
        }
    }

    fn expire(&mut self) {
        let before = self.now.saturating_sub(self.setup.session_ms * 2 / 5);
        for (id, _) in self.kafka.coordinator.expire(before) {
            self.say(|| format!("the transaction of {id} timed out"));
            self.decided(&id);
        }
        let now = self.now;
        self.kafka.group.expire(now, &mut self.rng);
        self.after(500, Happening::Expire);
    }

    /// The accepted settings below that offset.
    pub fn table(&mut self, next: i64) -> Arc<SettingsTable> {
        if let Some(table) = self.tables.get(&next) {
            return table.clone();
        }
        let at = TopicPartition::new(self.shared.topic(TopicKind::RouterSettings).clone(), 0);
        let mut table = SettingsTable::default();
        for (offset, data) in self.kafka.history(&at).filter(|(offset, _)| *offset < next) {
            let value = data.value.as_deref().unwrap_or_default();
            let (org, settings) = settings_table::read(value, offset, Instant(data.timestamp)).expect("we wrote it");
            table.put(org, settings);
        }
        table.reach(next);
        let table = Arc::new(table);
        self.tables.insert(next, table.clone());
        table
    }

    /// An older table that says it is of now.
    pub fn older_table(&mut self, next: i64) -> Arc<SettingsTable> {
        let mut table = SettingsTable::clone(&*self.table((next - 3).max(0)));
        table.reach(next);
        Arc::new(table)
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>8} {}", self.now, what());
        }
    }
}
