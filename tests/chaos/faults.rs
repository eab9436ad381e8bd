//! What is done to a world: one fault of a process, and one of a service while it lasts. Each ends with all at work again.

use crate::brokers::Which;
use crate::cluster::SESSION;
use crate::dice::Dice;
use crate::harness::services::kafka_brokers;
use crate::proxy::{Cut, Proxy};
use crate::report::Report;
use crate::stage::{Stage, USUAL};
use crate::wait;
use chatroom_router::kafka::{Consumer, Polled, Rebalance, Settings};
use std::fmt;
use std::time::{Duration, Instant};

/// Within this a process has work under way that the cut keeps from its end.
const NOTICED: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    One,
    /// All that run: nobody is there to take over.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfProcess {
    Nothing,
    /// `kill -9`, and started again at once.
    Kill(Whom),
    /// Another joins the group under its instance's name (static membership), and is gone again.
    Usurp,
    /// Another process is given the name of one, and runs beside it for so long.
    Twin(Duration),
    /// SIGSTOP for so long.
    Freeze(Whom, Duration),
    Cut(Whom, From, Cut, Duration),
    /// SIGTERM to one that is cut off, which must end all the same, and started again once it is not.
    EndWhileCut(From, Cut),
    /// One after another is ended and started again.
    Rolling,
    /// Down to one process, up to four, down to two.
    Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Kafka,
    Redis,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfService {
    Nothing,
    BrokersEnd(Which),
    BrokersAreKilled(Which),
    /// SIGSTOP for so long.
    BrokersFreeze(Which, Duration),
    /// Gone for so long, and empty again; under a sentinel a replica takes over that has missed so much.
    RedisRestarts(Duration),
    /// Ends, and starts with what it held so long before.
    RedisRecalls(Duration),
    /// For so long it takes nothing more.
    RedisIsFull(Duration),
    RedisForgets,
}

#[derive(Clone, Copy, Debug)]
pub struct Strike(pub OfProcess, pub OfService);

impl Strike {
    /// Does it, and waits until all is well again.
    pub fn perform(self, stage: &mut Stage<'_>, dice: &mut Dice, report: &mut Report) {
        let Strike(of_process, of_service) = self;
        let began = stage.mark();
        let away = match of_process {
            OfProcess::Nothing => of_service.perform(stage),
            OfProcess::Kill(whom) => {
                let slots = some_slots(stage, dice, whom);
                slots.iter().for_each(|slot| stage.cluster.kill(*slot));
                slots.iter().for_each(|slot| stage.launch(*slot));
                of_service.perform(stage)
            }
            OfProcess::Usurp => {
                usurp(stage, dice);
                of_service.perform(stage)
            }
            OfProcess::Twin(time) => {
                let slot = some_slot(stage, dice);
                stage.cluster.double(slot, (&*stage.brokers, &stage.store), time);
                of_service.perform(stage)
            }
            OfProcess::Freeze(whom, time) => freeze(stage, dice, (whom, time), of_service),
            OfProcess::Cut(whom, from, cut, time) => {
                let slots = some_slots(stage, dice, whom);
                cut_off(stage, &slots, (from, cut, time), of_service)
            }
            OfProcess::EndWhileCut(from, cut) => end_while_cut(stage, dice, (from, cut), of_service),
            OfProcess::Rolling => roll(stage, of_service),
            OfProcess::Scale => scale(stage, dice, of_service),
        };
        // What a fault of a process is over with shows from its end; one of a service is over when that is back.
        let ended = match of_process {
            OfProcess::Nothing | OfProcess::Kill(_) => began + away,
            _ => Instant::now(),
        };
        let back = stage.await_work(ended);
        stage.cluster.await_ready();
        stage.cluster.check(&[]);
        report.survived(&self, back, stage.longest_stop(began));
    }
}

fn some_slot(stage: &Stage<'_>, dice: &mut Dice) -> usize {
    let running = stage.cluster.running();
    dice.pick(&running).copied().expect("some process runs")
}

fn some_slots(stage: &Stage<'_>, dice: &mut Dice, whom: Whom) -> Vec<usize> {
    match whom {
        Whom::One => vec![some_slot(stage, dice)],
        Whom::All => stage.cluster.running(),
    }
}

/// A quarter of the time passes before what happens meanwhile. Who is not frozen answers to the end of it that it is alive:
/// no outage is a reason to end a process.
fn during(stage: &mut Stage<'_>, time: Duration, frozen: &[usize], of_service: OfService) -> Duration {
    let until = Instant::now() + time;
    wait::let_pass(time / 4);
    let away = of_service.perform(stage);
    wait::let_pass(until.saturating_duration_since(Instant::now()));
    stage.cluster.check(frozen);
    away
}

fn freeze(stage: &mut Stage<'_>, dice: &mut Dice, (whom, time): (Whom, Duration), of_service: OfService) -> Duration {
    let slots = some_slots(stage, dice, whom);
    slots.iter().for_each(|slot| stage.cluster.signal(*slot, "STOP"));
    let away = during(stage, time, &slots, of_service);
    slots.iter().for_each(|slot| stage.cluster.signal(*slot, "CONT"));
    away
}

fn cut_off(
    stage: &mut Stage<'_>,
    slots: &[usize],
    (from, cut, time): (From, Cut, Duration),
    of_service: OfService,
) -> Duration {
    each_cable(stage, slots, from, |cable| cable.cut(cut));
    let away = during(stage, time, &[], of_service);
    each_cable(stage, slots, from, Proxy::mend);
    away
}

fn each_cable(stage: &Stage<'_>, slots: &[usize], from: From, what: impl Fn(&Proxy)) {
    for slot in slots {
        if from != From::Redis {
            stage.brokers.cables(*slot).for_each(&what);
        }
        if from != From::Kafka {
            stage.store.cables(*slot).iter().for_each(&what);
        }
    }
}

fn end_while_cut(stage: &mut Stage<'_>, dice: &mut Dice, (from, cut): (From, Cut), of_service: OfService) -> Duration {
    let slots = some_slots(stage, dice, Whom::One);
    each_cable(stage, &slots, from, |cable| cable.cut(cut));
    let away = during(stage, NOTICED, &[], of_service);
    slots.iter().for_each(|slot| stage.cluster.terminate(*slot));
    each_cable(stage, &slots, from, Proxy::mend);
    slots.iter().for_each(|slot| stage.launch(*slot));
    away
}

fn usurp(stage: &Stage<'_>, dice: &mut Dice) {
    let (slot, prefix) = (some_slot(stage, dice), &stage.cluster.prefix);
    let settings = Settings {
        brokers: kafka_brokers(),
        group_id: prefix.clone(),
        instance_id: Some(format!("{prefix}{slot}-0")),
        session_timeout_ms: SESSION.as_millis() as u32,
        ..Settings::default()
    };
    let mut usurper = Consumer::open(&settings).expect("a consumer");
    usurper
        .subscribe(&format!("{prefix}router-commands"))
        .expect("subscribed");
    wait::until("the group to take one for the other", wait::PATIENCE, || {
        let polled = usurper.poll(Duration::from_millis(20));
        matches!(polled, Polled::Rebalance(Rebalance::Assigned(_))).then_some(())
    });
    usurper.close(Duration::from_secs(1));
}

fn roll(stage: &mut Stage<'_>, of_service: OfService) -> Duration {
    let mut away = Duration::ZERO;
    for (turn, slot) in stage.cluster.running().into_iter().enumerate() {
        stage.cluster.terminate(slot);
        stage.launch(slot);
        if turn == 0 {
            away = of_service.perform(stage);
        }
        stage.cluster.await_ready();
    }
    away
}

fn scale(stage: &mut Stage<'_>, dice: &mut Dice, of_service: OfService) -> Duration {
    let last = some_slot(stage, dice);
    let to = |stage: &mut Stage<'_>, count: usize| {
        let others: Vec<usize> = (0..crate::cluster::SLOTS).filter(|slot| *slot != last).collect();
        for (rank, slot) in others.into_iter().enumerate() {
            let runs = stage.cluster.running().contains(&slot);
            match rank + 1 < count {
                true if !runs => stage.launch(slot),
                false if runs => stage.cluster.terminate(slot),
                _ => {}
            }
        }
    };
    to(stage, 1);
    stage.await_work(Instant::now());
    to(stage, 4);
    let away = of_service.perform(stage);
    stage.cluster.await_ready();
    to(stage, 2);
    stage.await_work(Instant::now());
    to(stage, USUAL);
    away
}

impl OfService {
    /// Does it; returns how long the service was away.
    fn perform(self, stage: &mut Stage<'_>) -> Duration {
        let began = Instant::now();
        match self {
            OfService::Nothing => return Duration::ZERO,
            OfService::BrokersEnd(which) => stage.brokers.restart(which, "TERM"),
            OfService::BrokersAreKilled(which) => stage.brokers.restart(which, "KILL"),
            OfService::BrokersFreeze(which, time) => stage.brokers.freeze(which, time),
            OfService::RedisRestarts(away) => stage.store.restart(away),
            OfService::RedisRecalls(past) => stage.store.recall(past),
            OfService::RedisIsFull(time) => stage.store.fill(time),
            OfService::RedisForgets => stage.store.flush(),
        }
        began.elapsed()
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_process = match self.0 {
            OfProcess::Nothing => "",
            OfProcess::Kill(Whom::One) => "kill -9",
            OfProcess::Kill(Whom::All) => "kill -9 of all",
            OfProcess::Usurp => "its name taken",
            OfProcess::Twin(_) => "two of one name",
            OfProcess::Freeze(Whom::One, _) => "freeze",
            OfProcess::Freeze(Whom::All, _) => "freeze of all",
            OfProcess::Cut(Whom::One, From::Kafka, ..) => "cut from Kafka",
            OfProcess::Cut(Whom::One, From::Redis, ..) => "cut from Redis",
            OfProcess::Cut(Whom::One, From::Both, ..) => "cut from both",
            OfProcess::Cut(Whom::All, From::Kafka, ..) => "all cut from Kafka",
            OfProcess::Cut(Whom::All, From::Redis, ..) => "all cut from Redis",
            OfProcess::Cut(Whom::All, From::Both, ..) => "all cut from both",
            OfProcess::EndWhileCut(From::Kafka, _) => "SIGTERM while cut from Kafka",
            OfProcess::EndWhileCut(From::Redis, _) => "SIGTERM while cut from Redis",
            OfProcess::EndWhileCut(From::Both, _) => "SIGTERM while cut from both",
            OfProcess::Rolling => "rolling restart",
            OfProcess::Scale => "1, 4, 2 processes",
        };
        let of_service = match self.1 {
            OfService::Nothing => "",
            OfService::BrokersEnd(Which::One) => "broker restart",
            OfService::BrokersEnd(Which::All) => "restart of all brokers",
            OfService::BrokersAreKilled(Which::One) => "broker kill -9",
            OfService::BrokersAreKilled(Which::All) => "kill -9 of all brokers",
            OfService::BrokersFreeze(Which::One, _) => "broker freeze",
            OfService::BrokersFreeze(Which::All, _) => "freeze of all brokers",
            OfService::RedisRestarts(_) => "Redis restart",
            OfService::RedisRecalls(_) => "Redis from an old dump",
            OfService::RedisIsFull(_) => "Redis full",
            OfService::RedisForgets => "FLUSHALL",
        };
        let both = if of_process.is_empty() || of_service.is_empty() {
            ""
        } else {
            " + "
        };
        write!(f, "{of_process}{both}{of_service}")
    }
}
