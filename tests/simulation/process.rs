//! One process with one worker: the loop of `src/worker`, with every call to the outside replaced by the models. It may be
//! killed or frozen between any two of its actions.

use crate::insight::{Fed, Insight};
use crate::kafka::log::Met;
use crate::membership::Membership;
use crate::rng::Rng;
use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::index::Read;
use chatroom_router::kafka::{NewRecord, Position, TopicPartition};
use chatroom_router::protocol::{Action, Core, Event, Partition, Renewal, TransactionAnswer, TransactionStep};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

pub type Pid = u32;

/// Things taken from the consumer at once.
const DRAIN: u64 = 20;
const DRAIN_MS: u64 = 10_000;
/// The longest that a process waits without looking, and so with something that could go.
const IDLE_MS: u64 = 1_000;
const RIPE_MS: u64 = 100;

/// An assigned partition, as the client reads it.
pub struct Flow {
    pub position: i64,
    pub paused: bool,
    /// The end was told at this position.
    pub told: Option<i64>,
    /// It was out of range: nothing more is read before somebody seeks.
    pub failed: bool,
}

impl Flow {
    pub fn at(position: i64) -> Self {
        Self {
            position,
            paused: false,
            told: None,
            failed: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handle {
    Absent,
    Idle,
    Open,
}

/// The transactional producer of the process, as its client library keeps it.
pub struct Producer {
    pub handle: Handle,
    pub epoch: i32,
    pub suspect: bool,
    /// None is there, and not before this is another opened.
    pub replace_at: Option<u64>,
    /// One is being opened, beside all else: when that ends, and under which epoch, or with none.
    opening: Option<(u64, Option<i32>)>,
    pub records: Vec<Rc<NewRecord>>,
    pub offsets: BTreeMap<usize, i64>,
    /// The coordinator knows of the transaction.
    pub touched: bool,
    /// An attempt of the step under way has been put off.
    pub again: bool,
    pub insight: Insight,
}

impl Producer {
    /// Another is to be opened at once.
    pub fn gone(&mut self) {
        self.handle = Handle::Absent;
        self.replace_at = Some(0);
    }
}

/// The thread that reads the settings.
#[derive(Default)]
pub struct Asking {
    pub waiting: Vec<u64>,
    pub busy: bool,
    /// Questions of the round under way, the offset to reach, and until when.
    pub round: Option<(Vec<u64>, i64, u64)>,
    /// How far it has read.
    pub position: i64,
}

pub struct Process {
    pub pid: Pid,
    pub slot: usize,
    pub core: Core,
    pub actions: VecDeque<Action>,
    /// Answers of the actions of one event.
    pub events: VecDeque<Event>,
    pub inbox: VecDeque<Event>,
    /// A step of a transaction that is tried again at that time, while the rest goes on.
    pub blocked: Option<(u64, TransactionStep)>,
    pub mail: VecDeque<Event>,
    pub flows: BTreeMap<TopicPartition, Flow>,
    /// All that there was to read has been handed out, and no log has changed since this many moves of the cluster.
    pub exhausted: Option<u64>,
    pub producer: Producer,
    pub member: Membership,
    /// Wanted once the client was fenced.
    pub renewal: Renewal,
    pub asking: Asking,
    /// Inputs that it has halted, and from which offset on.
    pub halted: BTreeMap<TopicPartition, i64>,
    pub frozen_until: u64,
    pub draining_until: Option<u64>,
    fed: BTreeMap<Partition, (u64, Vec<Rc<Fed>>)>,
    /// All that was read, for a process that trusts its memory.
    seen: BTreeSet<Position>,
    phase: u8,
    /// It waits for something to do, and has been told of none.
    asleep: bool,
    /// The number of its next turn.
    next_turn: u64,
    partitions: i32,
}

impl Process {
    pub fn new(pid: Pid, slot: usize, world: &mut World) -> Self {
        let mut uuids: Rng = world.rng.fork();
        let config = world.shared.protocol(&world.setup, world.off);
        let core = Core::new(config, world.clocks(), Box::new(move || uuids.uuid()));
        Self {
            pid,
            slot,
            core,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            inbox: VecDeque::new(),
            blocked: None,
            mail: VecDeque::new(),
            flows: BTreeMap::new(),
            exhausted: None,
            producer: Producer {
                handle: Handle::Absent,
                epoch: 0,
                suspect: false,
                replace_at: Some(world.now),
                opening: None,
                records: Vec::new(),
                offsets: BTreeMap::new(),
                touched: false,
                again: false,
                insight: Insight::new(),
            },
            member: Membership::new(slot, world),
            renewal: Renewal::default(),
            asking: Asking::default(),
            halted: BTreeMap::new(),
            frozen_until: 0,
            draining_until: None,
            fed: BTreeMap::new(),
            seen: BTreeSet::new(),
            phase: 0,
            asleep: false,
            next_turn: 0,
            partitions: world.setup.partitions,
        }
    }

    pub fn transactional_id(&self) -> String {
        format!("slot-{}", self.slot)
    }

    /// Whether it stands still; nothing of it runs then.
    pub fn is_frozen(&self, now: u64) -> bool {
        self.frozen_until > now
    }

    fn handle(&mut self, mut event: Event, world: &World) {
        if world.without(Sabotage::AnswersOfAnyLife) {
            self.readdress(&mut event);
        }
        world.say(|| format!("[{}] {}", self.pid, crate::trace::event(&event)));
        let noted = self.note(&event, world);
        let actions = self.core.handle(event, world.clocks());
        self.actions.extend(actions);
        if let Some((partition, epoch, mut fed)) = noted {
            fed.retain(|fed| self.is_taken(partition, fed));
            let held = self.fed.entry(partition).or_insert((epoch, Vec::new()));
            if held.0 != epoch {
                *held = (epoch, Vec::new());
            }
            held.1.extend(fed.into_iter().map(Rc::new));
        }
    }

    /// Makes an answer look like one to the life of now.
    fn readdress(&self, event: &mut Event) {
        let (Event::Recovered(life, _) | Event::Values(life, _) | Event::Applied(life, _) | Event::Due(life, _)) =
            event
        else {
            return;
        };
        if let Some(task) = self.core.tasks().find(|task| task.life.partition == life.partition) {
            *life = task.life;
        }
    }

    /// What this event will add to the collected, if the core takes it.
    fn note(&self, event: &Event, world: &World) -> Option<(Partition, u64, Vec<Fed>)> {
        match event {
            Event::Record(record) => {
                let partition = record.at.partition.rem_euclid(self.partitions);
                let task = self
                    .core
                    .tasks()
                    .find(|task| task.life.partition == partition && !task.closing)?;
                let expected = task.running()?.collected.get(&record.at.topic_partition())?;
                let fed = Fed::Record {
                    at: record.at.clone(),
                    wall: world.wall(),
                    settings_stable: world.settings_seen(self.slot),
                };
                (record.at.offset >= *expected).then(|| (partition, task.life.epoch, vec![fed]))
            }
            Event::Due(life, Ok(Read::Found { value, .. })) => {
                let task = self.core.tasks().find(|task| task.life == *life && !task.closing)?;
                let horizon = task.running()?.sweep.searching?.horizon;
                let fed = |value: &Vec<u8>| Fed::Sweep {
                    value: value.clone(),
                    horizon,
                };
                Some((life.partition, life.epoch, value.values.iter().map(fed).collect()))
            }
            _ => None,
        }
    }

    /// What stands behind a halt was left, and will come again.
    fn is_taken(&self, partition: Partition, fed: &Fed) -> bool {
        let Fed::Record { at, .. } = fed else { return true };
        let task = self.core.tasks().find(|task| task.life.partition == partition);
        let running = task.and_then(|task| task.running());
        let collected = running.and_then(|running| running.collected.get(&at.topic_partition()));
        collected.is_none_or(|next| *next > at.offset)
    }

    /// What was collected and isn't committed, of each task, as of now.
    pub fn insight(&mut self) -> Insight {
        let mut insight = Insight::new();
        for task in self.core.tasks() {
            let Some(running) = task.running() else { continue };
            let Some((epoch, fed)) = self.fed.get_mut(&task.life.partition) else {
                continue;
            };
            if *epoch != task.life.epoch {
                continue;
            }
            let done = |fed: &Rc<Fed>| match &**fed {
                Fed::Record { at, .. } => running
                    .positions
                    .get(&at.topic_partition())
                    .is_some_and(|next| at.offset < *next),
                Fed::Sweep { .. } => false,
            };
            if let Some(last) = fed.iter().rposition(done) {
                fed.drain(..=last);
            }
            insight.insert(task.life.partition, fed.clone());
        }
        insight
    }

    /// The next thing that the process does; gives back how long that takes.
    fn turn(&mut self, world: &mut World) -> u64 {
        loop {
            if let Some((at, step)) = self.blocked.take() {
                if at <= world.now {
                    return self.transact(step, world);
                }
                self.blocked = Some((at, step));
            }
            if let Some(action) = self.actions.pop_front() {
                let tells = matches!(action, Action::Report(_));
                let ms = self.perform(action, world);
                if ms == 0 {
                    self.hear(world);
                }
                if tells {
                    continue;
                }
                return ms;
            }
            if let Some(event) = self.events.pop_front() {
                self.handle(event, world);
                return 0;
            }
            while let Some(event) = self.inbox.pop_front() {
                self.handle(event, world);
                if !self.actions.is_empty() {
                    return 0;
                }
            }
            self.phase = (self.phase + 1) % 4;
            match self.phase {
                0 => {
                    self.open_producer(world);
                    self.inbox.append(&mut self.mail);
                }
                1 if self.renewal.is_wanted() => self.renew(world),
                1 => self.poll(world),
                2 => self.inbox.push_back(Event::Tick),
                _ => return self.rest(world),
            }
        }
    }

    /// What took no time is answered at once. It may still be killed, or stand still, before what follows from that.
    fn hear(&mut self, world: &World) {
        while self.actions.is_empty()
            && let Some(event) = self.events.pop_front()
        {
            self.handle(event, world);
        }
    }

    /// A revocation was told, and is not answered: the client may take anything for the answer.
    pub fn owes_an_unassign(&self) -> bool {
        use crate::membership::Awaiting::Unassign;
        let is_told = !self.inbox.iter().any(|event| matches!(event, Event::Rebalance(_)));
        matches!(self.member.awaiting, Unassign { .. }) && self.member.told.is_empty() && is_told
    }

    /// Whether something came that it has not looked at.
    fn has_more(&mut self, world: &World) -> bool {
        let is_told = !self.member.told.is_empty() || self.member.is_fenced;
        let is_read = self.renewal.is_wanted() || (!is_told && self.ready(world).is_empty());
        !self.mail.is_empty() || !is_read
    }

    /// How long it waits for something to do; whatever comes wakes it.
    fn rest(&mut self, world: &mut World) -> u64 {
        self.asleep = !self.has_more(world);
        if !self.asleep {
            return world.rng.between(1, 3);
        }
        let blocked = self.blocked.as_ref().map_or(IDLE_MS, |(at, _)| at - world.now);
        let opened = self
            .producer
            .opening
            .map_or(IDLE_MS, |(at, _)| at.saturating_sub(world.now));
        // What is ripe and does not go waits for an answer, which wakes it.
        let patience = match self.core.patience_ms() {
            0 => RIPE_MS,
            ms => ms,
        };
        let most = patience.min(blocked).min(opened).clamp(1, IDLE_MS);
        world.rng.between(1, most)
    }

    /// On a thread of its own: the protocol hears of it when there is one.
    fn open_producer(&mut self, world: &mut World) {
        if let Some((_, epoch)) = self.producer.opening.take_if(|(at, _)| *at <= world.now) {
            return self.opened(epoch, world);
        }
        if self.producer.replace_at.is_none_or(|at| at > world.now) {
            return;
        }
        let id = self.transactional_id();
        let opened = if world.without(Sabotage::ReplacedWithoutFence) {
            Ok(world.kafka.coordinator.adopt(&id))
        } else {
            world.kafka.coordinator.init(&id)
        };
        if let Err(Some(_)) = opened {
            world.decided(&id);
        }
        let epoch = opened.ok().filter(|_| !world.flaky());
        self.producer.opening = Some((world.now + world.latency(), epoch));
        self.producer.replace_at = None;
    }

    fn opened(&mut self, epoch: Option<i32>, world: &mut World) {
        let Some(epoch) = epoch else {
            self.producer.replace_at = Some(world.now + world.rng.between(50, 500));
            return;
        };
        self.producer.handle = Handle::Idle;
        self.producer.epoch = epoch;
        self.producer.suspect = false;
        self.inbox.push_back(Event::Transaction(TransactionAnswer::Replaced));
    }

    /// What the client has to hand out: a rebalance ends the turn, as in the adapter.
    fn poll(&mut self, world: &mut World) {
        let many = world.rng.between(1, DRAIN);
        let ready = self.ready(world);
        for _ in 0..many {
            if self.member.told.front().is_some() && world.rng.chance(700) {
                break;
            }
            if ready.is_empty() {
                break;
            }
            let at = &ready[world.rng.place(ready.len())];
            if let Some(event) = self.read(at, world) {
                self.inbox.push_back(event);
            }
        }
        let mut told = self.member.told.pop_front();
        if told.is_none() && self.member.is_fenced {
            told = Some(self.fenced(world.now));
        }
        self.inbox.extend(told.map(Event::Rebalance));
    }

    /// Partitions of which there is something to tell.
    fn ready(&mut self, world: &World) -> Vec<TopicPartition> {
        if self.exhausted == Some(world.kafka.moves) {
            return Vec::new();
        }
        let flowing = self.flows.iter().filter(|(_, flow)| !flow.paused && !flow.failed);
        let telling = flowing.filter(|(at, flow)| match world.kafka.log(at).read(flow.position, i64::MAX) {
            Met::End(end) => flow.told != Some(Self::end_of(at, end, world)),
            Met::Record(..) | Met::Gone => true,
        });
        let ready: Vec<TopicPartition> = telling.map(|(at, _)| at.clone()).collect();
        self.exhausted = ready.is_empty().then_some(world.kafka.moves);
        ready
    }

    fn end_of(at: &TopicPartition, end: i64, world: &World) -> i64 {
        if world.without(Sabotage::EndAtHighWatermark) {
            world.kafka.log(at).high()
        } else {
            end
        }
    }

    fn read(&mut self, at: &TopicPartition, world: &mut World) -> Option<Event> {
        let again = world.flaky();
        let flow = self.flows.get_mut(at)?;
        let log = world.kafka.log(at);
        match log.read(flow.position, i64::MAX) {
            Met::Record(offset, data) => {
                // A client may hand out a record a second time.
                flow.position = if again { offset } else { offset + 1 };
                if !self.seen.insert(at.at(offset)) && world.without(Sabotage::SeenInMemory) {
                    return None;
                }
                Some(Event::Record(data.read(at.at(offset))))
            }
            Met::End(end) => {
                let end = Self::end_of(at, end, world);
                flow.position = end;
                let told = flow.told.replace(end);
                (told != Some(end)).then(|| Event::EndReached(at.at(end)))
            }
            Met::Gone if world.without(Sabotage::ResetToEarliest) => {
                flow.position = log.low();
                None
            }
            Met::Gone => {
                flow.failed = true;
                world.oracle.count("out of range");
                Some(Event::OutOfRange(at.clone()))
            }
        }
    }
}

impl World {
    pub fn turn(&mut self, pid: Pid, number: u64) {
        let next = self.processes.get(&pid).map(|process| process.next_turn);
        if next != Some(number) {
            return;
        }
        let Some(mut process) = self.processes.remove(&pid) else {
            return;
        };
        self.turns += 1;
        process.asleep = false;
        if process.is_frozen(self.now) {
            let ms = process.frozen_until - self.now;
            return self.again(process, ms);
        }
        if process
            .draining_until
            .is_some_and(|until| until <= self.now || process.is_done())
        {
            return self.leave(*process);
        }
        let ms = process.turn(self);
        if !self.healed && self.rng.below(10_000) < self.setup.stumbles && !process.actions.is_empty() {
            let session_ms = self.setup.session_ms;
            process.frozen_until = self.now + self.rng.pick(&[session_ms / 2, session_ms, 2 * session_ms]);
            self.say(|| format!("[{pid}] stands still until {}", process.frozen_until));
            self.oracle.count("stumbled");
        }
        if !self.healed && self.rng.chance(self.setup.flaky / 10) && !process.actions.is_empty() {
            self.say(|| format!("[{pid}] is killed before {}", crate::trace::action(&process.actions[0])));
            return self.buried(process.slot);
        }
        self.again(process, ms);
        if self.strike_at <= self.actions {
            self.strike_at = u64::MAX;
            self.fault();
        }
    }

    /// Its next turn is after so long.
    fn again(&mut self, mut process: Box<Process>, ms: u64) {
        let pid = process.pid;
        process.next_turn += 1;
        self.after(ms, Happening::Turn(pid, process.next_turn));
        self.processes.insert(pid, process);
    }

    /// Something has come for it: it need not wait any longer.
    pub fn wake(&mut self, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.asleep) else {
            return;
        };
        process.asleep = false;
        process.next_turn += 1;
        let number = process.next_turn;
        let ms = self.rng.between(0, 2);
        self.after(ms, Happening::Turn(pid, number));
    }

    /// There is more to read of a partition: brokers answer those who wait for it.
    pub fn moved(&mut self, at: &TopicPartition) {
        let reads = |process: &Process| process.flows.get(at).is_some_and(|flow| !flow.paused);
        let pids: Vec<Pid> = self
            .processes
            .values()
            .filter(|process| process.asleep && reads(process))
            .map(|process| process.pid)
            .collect();
        pids.into_iter().for_each(|pid| self.wake(pid));
    }

    pub fn mail(&mut self, pid: Pid, event: Event) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.mail.push_back(event);
            self.wake(pid);
        }
    }

    /// A process starts in that slot.
    pub fn start(&mut self, slot: usize) {
        self.slots[slot].starting = false;
        if self.slots[slot].runs.is_some() {
            return;
        }
        let pid = self.oracle.next_pid();
        let mut process = Process::new(pid, slot, self);
        process.mail.push_back(self.counts());
        self.say(|| format!("[{pid}] starts in slot {slot}"));
        self.slots[slot].runs = Some(pid);
        self.again(Box::new(process), 0);
        self.after(1, Happening::Heartbeat(pid));
    }

    /// It is gone without a word; another is started after a while.
    pub fn buried(&mut self, slot: usize) {
        self.slots[slot].runs = None;
        if !self.slots[slot].starting {
            self.slots[slot].starting = true;
            let ms = if self.healed {
                10
            } else {
                self.rng.pick(&[20, 500, 5_000, 2 * self.setup.session_ms])
            };
            self.after(ms, Happening::Start(slot));
        }
    }

    fn leave(&mut self, process: Process) {
        self.say(|| format!("[{}] leaves", process.pid));
        // The place of a static member waits for it to come back.
        if !self.setup.statics {
            self.kafka.group.leave(&process.member.id, &mut self.rng);
        }
        self.buried(process.slot);
    }
}

impl Process {
    fn is_done(&self) -> bool {
        let quiet = self.actions.is_empty() && self.events.is_empty() && self.blocked.is_none();
        quiet && self.core.is_drained() && self.producer.handle != Handle::Open
    }

    pub fn drain(&mut self, now: u64) {
        if self.draining_until.is_none() {
            self.draining_until = Some(now + DRAIN_MS);
            self.mail.push_back(Event::Drain);
        }
    }
}
