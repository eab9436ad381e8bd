//! A worker: one OS thread with its consumer and its producer, which feeds events to the protocol and performs its actions.
//! It decides nothing: what to do stands in `protocol`, and this file is the loop.

mod answers;
mod indexing;
pub mod judged;
mod opening;
mod perform;
pub mod recovery;
pub mod settings;

use crate::failure::{Exit, Failure};
use crate::index::Index;
use crate::kafka::{Consumer, Fault, Polled, Rebalance, Settings as KafkaSettings};
use crate::protocol::core::Config;
use crate::protocol::{Core, Event, Now, Renewal};
use crate::shutdown::{Deadline, Shutdown};
use crate::telemetry::watch::Watch;
use opening::Producer;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The longest wait for records: rebalances, answers and the heartbeat of `/livez` come in between.
const IDLE_POLL: Duration = Duration::from_millis(25);
/// The longest wait for an answer while a batch or a recovery needs one.
const ANSWER_WAIT: Duration = Duration::from_millis(2);
const CLOSE: Duration = Duration::from_secs(1);
/// The longest without a poll while the next batch has no room: rebalances and faults are told by polls alone.
const UNPOLLED: Duration = Duration::from_millis(200);
/// What was judged is told so often: it stays judged, so nothing is lost if it is told late.
const TELL: Duration = Duration::from_secs(1);
/// Records taken from the client at once.
const DRAIN: usize = 1_000;

/// What a worker is built from.
pub struct Parts {
    pub kafka: KafkaSettings,
    pub transactional_id: String,
    pub commands_topic: Arc<str>,
    pub index: Index,
    pub runtime: tokio::runtime::Handle,
    pub settings: settings::Settings,
    pub watch: Arc<Watch>,
    pub judged: Arc<judged::Judged>,
    pub shutdown: Shutdown,
    /// How long draining may take.
    pub drain: Duration,
    /// Where others leave events for this worker: numbers of partitions, the clock's horizon.
    pub mailbox: (Sender<Event>, Receiver<Event>),
}

pub struct Worker {
    core: Core,
    consumer: Consumer,
    producer: Producer,
    /// Wanted once the consumer was fenced: nothing is asked of it any more.
    renewal: Renewal,
    /// Of the producer, as `renewal` of the consumer.
    reopening: Renewal,
    /// When the client was last asked for records.
    polled: Instant,
    /// Since when the records of the open transaction have been on their way.
    flushing: Option<Instant>,
    parts: Parts,
    recovery: recovery::Recovery,
    started: Instant,
    found: Vec<Polled>,
    failed: Option<Failure>,
}

impl Worker {
    /// Opens the consumer, which joins the group once this runs; the producer is opened by the loop, which tries until it can.
    pub fn new(config: Config, parts: Parts) -> Result<Self, crate::kafka::Error> {
        let consumer = Consumer::open(&parts.kafka)?;
        let recovery = recovery::Recovery::start(
            parts.kafka.clone(),
            parts.settings.clone(),
            &parts.index,
            &parts.runtime,
            parts.mailbox.0.clone(),
        )?;
        let started = Instant::now();
        let core = Core::new(config, now(started), Box::new(Uuid::new_v4));
        Ok(Self {
            core,
            consumer,
            producer: Producer::absent(),
            renewal: Renewal::default(),
            reopening: Renewal::of_producer(),
            polled: started,
            flushing: None,
            parts,
            recovery,
            started,
            found: Vec::new(),
            failed: None,
        })
    }

    /// Runs until all is drained after a stop, or until nothing can work any more: the sentence says why.
    pub fn run(mut self) -> Result<(), Failure> {
        if !self.parts.shutdown.is_wished() {
            self.consumer.subscribe(&self.parts.commands_topic)?;
        }
        let deadline = self.turn();
        self.consumer.close(deadline.left().max(Duration::from_secs(1)));
        self.parts.watch.ended();
        // Nobody waits for the end of its threads. What it had under way is ended by who comes next under its id, or times out.
        beside("producer-close", move || drop(self.producer));
        self.failed.map_or(Ok(()), Err)
    }

    /// The loop. Gives back until when the end of it may take.
    fn turn(&mut self) -> Deadline {
        let mut draining: Option<Deadline> = None;
        let mut told = Instant::now();
        while self.failed.is_none() {
            if draining.is_none()
                && let Some(deadline) = self.parts.shutdown.deadline(self.parts.drain)
            {
                draining = Some(deadline);
                self.handle(Event::Drain);
            }
            if let Some(deadline) = draining.filter(|deadline| self.core.is_drained() || deadline.has_passed()) {
                return deadline;
            }
            self.open_producer();
            let waiting = self.core.is_waiting() || self.core.is_recovering();
            if self.renewal.is_wanted() {
                self.take_mail(IDLE_POLL);
                self.renew_consumer();
            } else {
                self.take_mail(if waiting { ANSWER_WAIT } else { Duration::ZERO });
                self.collect(if waiting { Duration::ZERO } else { self.patience() });
            }
            self.look_whether_flushed(ANSWER_WAIT);
            self.handle(Event::Tick);
            self.parts.watch.turned(self.core.overlay_bytes());
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.parts.judged.tell(self.core.judged());
            }
        }
        draining.unwrap_or_else(|| Deadline::after(Duration::from_secs(1)))
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.core.patience_ms()).min(IDLE_POLL)
    }

    /// Takes events that others left, waiting for the first, unless there is a flush to look after.
    fn take_mail(&mut self, wait: Duration) {
        let first = if wait.is_zero() || self.flushing.is_some() {
            None
        } else {
            self.parts.mailbox.1.recv_timeout(wait).ok()
        };
        if let Some(event) = first {
            self.handle(event);
        }
        while let Ok(event) = self.parts.mailbox.1.try_recv() {
            self.handle(event);
        }
    }

    /// Takes what is there. While there is more, and a batch has room for it, it is not put off: so batches grow with a backlog.
    fn collect(&mut self, wait: Duration) {
        // What is too much would be paused, and fetched again.
        if !self.core.has_room() && self.polled.elapsed() < UNPOLLED {
            return;
        }
        let mut taken = self.poll(wait);
        while taken == DRAIN && self.core.is_collecting() {
            taken = self.poll(Duration::ZERO);
        }
    }

    fn poll(&mut self, wait: Duration) -> usize {
        let mut found = std::mem::take(&mut self.found);
        let taken = self.consumer.drain(DRAIN, wait, &mut found);
        self.polled = Instant::now();
        // What came at once came at one time: a clock is not asked for each record.
        let now = now(self.started);
        for polled in found.drain(..) {
            match polled {
                Polled::Record(record) => self.handle_at(Event::Record(record), now),
                Polled::EndOfPartition(at) => self.handle_at(Event::EndReached(at), now),
                Polled::Rebalance(rebalance) => self.handle(Event::Rebalance(rebalance)),
                Polled::Fault(fault) => self.fault(fault),
                Polled::Nothing => {}
            }
        }
        self.found = found;
        taken
    }

    fn fault(&mut self, fault: Fault) {
        self.parts.watch.kafka_fault(&fault);
        match fault {
            Fault::OffsetOutOfRange { at, .. } => self.handle(Event::OutOfRange(at)),
            Fault::Fenced { .. } if !self.renewal.is_wanted() => {
                let lost = self.give_up_consumer();
                self.handle(lost);
            }
            Fault::Fatal { .. } => self.failed = Some(Failure::new(Exit::Unreachable, fault.to_string())),
            _ => {}
        }
    }

    /// It is of no use any more: what it had is lost, and another joins the group in its place.
    fn give_up_consumer(&mut self) -> Event {
        self.renewal.fenced(now(self.started).steady_ms);
        if self.renewal.is_again() {
            self.parts.watch.name_shared(&self.parts.transactional_id);
        }
        let lost = self.core.tasks().map(|task| task.inputs[0].clone()).collect();
        Event::Rebalance(Rebalance::Lost(lost))
    }

    /// Joins the group anew, once all that the fenced consumer had is forgotten.
    fn renew_consumer(&mut self) {
        let steady_ms = now(self.started).steady_ms;
        if !self.renewal.is_due(steady_ms, self.core.has_forgotten()) {
            return;
        }
        let renewed = Consumer::open(&self.parts.kafka).and_then(|mut consumer| {
            consumer.subscribe(&self.parts.commands_topic)?;
            Ok(consumer)
        });
        match renewed {
            Ok(consumer) => {
                self.renewal.done();
                // It knows of no assignment's end any more, and nobody waits for its own.
                let fenced = std::mem::replace(&mut self.consumer, consumer);
                beside("consumer-close", move || fenced.close(CLOSE));
            }
            Err(error) => self.failed = Some(error.into()),
        }
    }

    /// One event, and all that follows from it: what an action answers is the next event.
    fn handle(&mut self, event: Event) {
        self.handle_at(event, now(self.started));
    }

    fn handle_at(&mut self, event: Event, at: Now) {
        let mut answers = VecDeque::new();
        self.step(event, at, &mut answers);
        while let Some(answer) = answers.pop_front() {
            self.step(answer, now(self.started), &mut answers);
        }
    }

    fn step(&mut self, event: Event, at: Now, answers: &mut VecDeque<Event>) {
        for action in self.core.handle(event, at) {
            answers.extend(self.perform(action));
        }
    }
}

/// Ends on a thread of its own what nobody waits for. Where none can be started, what it holds is let go of here and now.
fn beside(name: &str, end: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(end);
    if let Err(error) = spawned {
        tracing::warn!(%error, name, "no_thread_to_end_it");
    }
}

fn now(started: Instant) -> Now {
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        wall: crate::domain::time::Instant(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)),
        steady_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// The mailboxes of all workers, for who has something to tell whichever it concerns.
#[derive(Clone, Default)]
pub struct Mailboxes(Arc<Mutex<Vec<Sender<Event>>>>);

impl Mailboxes {
    pub fn add(&self, mailbox: Sender<Event>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mailbox);
    }

    pub fn tell(&self, event: impl Fn() -> Event) {
        for mailbox in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A worker that has ended needs no news.
            _ = mailbox.send(event());
        }
    }
}

/// A channel for events, made before the worker so that others can be given its sender.
#[must_use]
pub fn mailbox() -> (Sender<Event>, Receiver<Event>) {
    channel()
}
