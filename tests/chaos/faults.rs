//! What is done to a world: one fault of a process, and one of a service while it lasts. Each ends with all at work again.

use crate::cluster::SESSION;
use crate::dice::Dice;
use crate::harness::services::kafka_brokers;
use crate::proxy::Cut;
use crate::report::Report;
use crate::stage::{Stage, USUAL};
use crate::wait;
use chatroom_router::kafka::{Consumer, Polled, Rebalance, Settings};
use std::fmt;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfProcess {
    Nothing,
    /// `kill -9`, and started again at once.
    Kill,
    /// Another joins the group under its instance's name (static membership), and is gone again.
    Usurp,
    /// SIGSTOP for so long.
    Freeze(Duration),
    CutFromKafka(Cut, Duration),
    CutFromRedis(Cut, Duration),
    CutFromBoth(Cut, Duration),
    /// One after another is ended and started again.
    Rolling,
    /// Down to one process, up to four, down to two.
    Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfService {
    Nothing,
    BrokerEnds,
    BrokerIsKilled,
    /// Gone for so long, and empty again; under a sentinel a replica takes over that has missed so much.
    RedisRestarts(Duration),
    RedisForgets,
}

#[derive(Clone, Copy, Debug)]
pub struct Strike(pub OfProcess, pub OfService);

impl Strike {
    /// Does it, and waits until all is well again.
    pub fn perform(self, stage: &mut Stage<'_>, dice: &mut Dice, report: &mut Report) {
        let Strike(of_process, of_service) = self;
        let began = stage.mark();
        let ended = match of_process {
            OfProcess::Nothing => {
                of_service.perform(stage);
                began
            }
            OfProcess::Kill => {
                let slot = some_slot(stage, dice);
                stage.cluster.kill(slot);
                stage.launch(slot);
                of_service.perform(stage);
                began
            }
            OfProcess::Usurp => {
                usurp(stage, dice);
                of_service.perform(stage);
                Instant::now()
            }
            OfProcess::Freeze(time) => {
                let slot = some_slot(stage, dice);
                stage.cluster.signal(slot, "STOP");
                during(time, || of_service.perform(stage));
                stage.cluster.signal(slot, "CONT");
                Instant::now()
            }
            OfProcess::CutFromKafka(cut, time) => cut_off(stage, (true, false), dice, (cut, time), of_service),
            OfProcess::CutFromRedis(cut, time) => cut_off(stage, (false, true), dice, (cut, time), of_service),
            OfProcess::CutFromBoth(cut, time) => cut_off(stage, (true, true), dice, (cut, time), of_service),
            OfProcess::Rolling => roll(stage, of_service),
            OfProcess::Scale => scale(stage, dice, of_service),
        };
        let back = stage.await_work(ended);
        stage.cluster.await_ready();
        stage.cluster.check();
        report.survived(&self, back, stage.longest_stop(began));
    }
}

fn some_slot(stage: &Stage<'_>, dice: &mut Dice) -> usize {
    let running = stage.cluster.running();
    dice.pick(&running).copied().expect("some process runs")
}

/// A quarter of the time passes before what happens meanwhile.
fn during(time: Duration, meanwhile: impl FnOnce()) {
    let until = Instant::now() + time;
    wait::let_pass(time / 4);
    meanwhile();
    wait::let_pass(until.saturating_duration_since(Instant::now()));
}

fn cut_off(
    stage: &mut Stage<'_>,
    (kafka, redis): (bool, bool),
    dice: &mut Dice,
    (cut, time): (Cut, Duration),
    of_service: OfService,
) -> Instant {
    let slot = some_slot(stage, dice);
    let each = |stage: &Stage<'_>, what: &dyn Fn(&crate::proxy::Proxy)| {
        if kafka {
            what(&stage.broker.cables[slot]);
        }
        if let Some(cable) = stage.store.cable(slot).filter(|_| redis) {
            what(cable);
        }
    };
    each(stage, &|cable| cable.cut(cut));
    during(time, || of_service.perform(stage));
    each(stage, &|cable| cable.mend());
    Instant::now()
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

fn roll(stage: &mut Stage<'_>, of_service: OfService) -> Instant {
    for (turn, slot) in stage.cluster.running().into_iter().enumerate() {
        stage.cluster.terminate(slot);
        stage.launch(slot);
        if turn == 0 {
            of_service.perform(stage);
        }
        stage.cluster.await_ready();
    }
    Instant::now()
}

fn scale(stage: &mut Stage<'_>, dice: &mut Dice, of_service: OfService) -> Instant {
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
    of_service.perform(stage);
    stage.cluster.await_ready();
    to(stage, 2);
    let ended = Instant::now();
    stage.await_work(ended);
    to(stage, USUAL);
    ended
}

impl OfService {
    fn perform(self, stage: &mut Stage<'_>) {
        match self {
            OfService::Nothing => {}
            OfService::BrokerEnds => stage.broker.restart("TERM"),
            OfService::BrokerIsKilled => stage.broker.restart("KILL"),
            OfService::RedisRestarts(away) => stage.store.restart(away),
            OfService::RedisForgets => stage.store.flush(),
        }
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_process = match self.0 {
            OfProcess::Nothing => "",
            OfProcess::Kill => "kill -9",
            OfProcess::Usurp => "its name taken",
            OfProcess::Freeze(_) => "freeze",
            OfProcess::CutFromKafka(..) => "cut from Kafka",
            OfProcess::CutFromRedis(..) => "cut from Redis",
            OfProcess::CutFromBoth(..) => "cut from both",
            OfProcess::Rolling => "rolling restart",
            OfProcess::Scale => "1, 4, 2 processes",
        };
        let of_service = match self.1 {
            OfService::Nothing => "",
            OfService::BrokerEnds => "broker restart",
            OfService::BrokerIsKilled => "broker kill -9",
            OfService::RedisRestarts(_) => "Redis restart",
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
