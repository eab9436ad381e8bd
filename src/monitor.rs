//! What a process looks at beside its records: how many partitions the inputs have, whether the topics are still set up to keep
//! the promise, how far the group has come, and so how far timers may be fired by the clock. On a thread of its own, with clients
//! of its own; it only asks, but for what was passed on and judged, which it deletes.

mod purge;

use crate::config::Config;
use crate::contract::TopicKind;
use crate::domain::time::Instant as Wall;
use crate::kafka::admin::Admin;
use crate::kafka::lookup::Lookup;
use crate::kafka::topics::{self, Severity};
use crate::kafka::{Error, Settings, TopicPartition};
use crate::protocol::Event;
use crate::protocol::horizon::{Ask, Horizon, Reached, Standing};
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::settled::Settled;
use crate::worker::Mailboxes;
use crate::worker::judged::Judged;
use purge::{Stand, deletable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

const CALL: Duration = Duration::from_secs(5);
const PACE: Duration = Duration::from_millis(500);

pub struct Monitor {
    pub kafka: Settings,
    pub config: Arc<Config>,
    pub runtime: Handle,
    pub metrics: Arc<Metrics>,
    pub mailboxes: Mailboxes,
    pub shutdown: Shutdown,
    pub settled: Arc<Settled>,
    /// Of each worker.
    pub judged: Vec<Arc<Judged>>,
    /// Deletes what was passed on and judged, and describes the topics; None where the cluster can't.
    pub admin: Option<Admin>,
}

/// Number of partitions of each input.
pub type Counts = Vec<(Arc<str>, i32)>;

/// How many partitions each input has. Err: one is missing, or nobody answers.
pub fn counts(lookup: &mut Lookup, config: &Config) -> Result<Counts, Error> {
    let count = |topic: TopicKind| {
        let name = config.topics.name(topic).clone();
        let count = lookup.partitions(&name, CALL)?;
        let missing = || {
            Error::Unfit(format!(
                "topic {name} does not exist: create it, or run `chatroom-router topics apply`"
            ))
        };
        Ok((name.clone(), count.ok_or_else(missing)?))
    };
    TopicKind::INPUTS.into_iter().map(count).collect()
}

/// In which ways the topics can't keep the promise, each as a sentence.
pub fn unfit(admin: &mut Admin, config: &Config) -> Result<Vec<String>, Error> {
    let names = config.topic_names();
    let existing = admin.describe(&names.all(), CALL)?;
    let differences = topics::plan(&names, &config.topic_sizing(), &existing);
    let refused = differences
        .iter()
        .filter(|difference| !matches!(difference.severity, Severity::Note { .. }));
    Ok(refused.map(ToString::to_string).collect())
}

impl Monitor {
    /// Runs until the end is wished for.
    pub fn run(mut self, mut lookup: Lookup, mut counts: Counts) {
        let mut looked = Instant::now();
        let mut purged = Instant::now();
        let grace = i64::try_from(self.config.timers.grace.as_millis()).unwrap_or(i64::MAX);
        let mut horizon = Horizon::new(grace);
        let mut more = false;
        let mut told = Vec::new();
        while !self.shutdown.is_wished() {
            if !more {
                self.rest();
            }
            if looked.elapsed() >= self.config.topics.refresh {
                looked = Instant::now();
                self.look_at_counts(&mut lookup, &mut counts);
                self.look_at_settings(&mut told);
            }
            if purged.elapsed() >= self.config.topics.purge {
                purged = Instant::now();
                if let Err(error) = self.purge(&mut lookup) {
                    tracing::warn!(%error, "purge_failed");
                }
            }
            more = self
                .approach(&mut horizon, &mut lookup, &counts)
                .unwrap_or_else(|error| {
                    tracing::debug!(%error, "monitor_waits");
                    horizon.give_up();
                    false
                });
        }
    }

    /// Until the next look, or until the end is wished for.
    fn rest(&self) {
        let wished = self.shutdown.wished();
        // Only a timer, and whichever is first: the loop asks which.
        _ = self
            .runtime
            .block_on(async { tokio::time::timeout(PACE, wished).await });
    }

    /// Records that were passed on and judged are of no more use, and may be about persons.
    fn purge(&mut self, lookup: &mut Lookup) -> Result<(), Error> {
        let Some(admin) = &mut self.admin else { return Ok(()) };
        let commands = self.config.topics.name(TopicKind::RouterCommands);
        let judged: BTreeMap<i32, i64> = self.judged.iter().flat_map(|judged| judged.told()).collect();
        if judged.is_empty() {
            return Ok(());
        }
        let of = |partition: &i32| TopicPartition::new(commands.clone(), *partition);
        let all: Vec<TopicPartition> = judged.keys().map(of).collect();
        let committed = lookup.committed(&all, CALL)?;
        let lows = lookup.low_watermarks(&all, CALL)?;
        let stands = all
            .into_iter()
            .zip(judged.into_values())
            .zip(committed.into_iter().zip(lows));
        let stand = |((at, judged), (committed, low))| Stand {
            at,
            judged,
            committed,
            low,
        };
        let before = deletable(&stands.map(stand).collect::<Vec<Stand>>());
        if !before.is_empty() {
            admin.delete_records(&before, CALL)?;
        }
        Ok(())
    }

    fn look_at_counts(&self, lookup: &mut Lookup, known: &mut Counts) {
        match counts(lookup, &self.config) {
            Ok(now) if now != *known => {
                known.clone_from(&now);
                self.mailboxes.tell(|| Event::InputCounts(now.clone()));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "topics_unavailable"),
        }
    }

    /// What was set up otherwise since the start loses nothing at once, so nothing stops for it: somebody is told, once.
    fn look_at_settings(&mut self, told: &mut Vec<String>) {
        let Some(admin) = &mut self.admin else { return };
        let found = match unfit(admin, &self.config) {
            Ok(found) => found,
            Err(error) => return tracing::debug!(%error, "topics_not_described"),
        };
        for why in found.iter().filter(|why| !told.contains(why)) {
            tracing::error!(why, "topic_unfit");
        }
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.metrics.group.topics_unfit.set(count);
        *told = found;
    }

    /// One look at how far the group has come. True: there is more to find out at once.
    fn approach(&self, horizon: &mut Horizon, lookup: &mut Lookup, counts: &Counts) -> Result<bool, Error> {
        let commands = self.config.topics.name(TopicKind::RouterCommands);
        let all = match horizon.ask(now()) {
            Ask::InputEnds => counts
                .iter()
                .flat_map(|(topic, count)| partitions(topic, *count))
                .collect(),
            Ask::PassedOnEnds => partitions(commands, self.config.topics.partitions).collect(),
            Ask::Standing(of) => {
                let reached = horizon.standing(&self.standing(lookup, &of)?);
                if let Reached::Horizon(at) = reached {
                    self.mailboxes.tell(|| Event::ClockHorizon(at));
                }
                return Ok(reached == Reached::Inputs);
            }
        };
        horizon.ends(ends(lookup, all)?);
        Ok(false)
    }

    /// What the group has committed of these; tells the lag on the way.
    fn standing(&self, lookup: &mut Lookup, of: &[TopicPartition]) -> Result<Vec<Standing>, Error> {
        let committed = lookup.committed(of, CALL)?;
        let ends = lookup.high_watermarks(of, CALL)?;
        let lows = lookup.low_watermarks(of, CALL)?;
        let found = committed.into_iter().zip(lows);
        let found: Vec<Standing> = found.map(|(committed, low)| Standing { committed, low }).collect();
        for ((at, end), standing) in of.iter().zip(ends).zip(&found) {
            self.tell_lag(at, (end - standing.next()).max(0));
        }
        Ok(found)
    }

    fn tell_lag(&self, at: &TopicPartition, records: i64) {
        let Some(topic) = self.config.topics.kind(&at.topic) else {
            return;
        };
        let lag = self.metrics.lag.input(topic, at.partition);
        lag.records.set(records);
        let seconds = if records == 0 { 0.0 } else { self.settled.age(at, now()) };
        lag.seconds.set(seconds);
    }
}

fn partitions(topic: &Arc<str>, count: i32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(|partition| TopicPartition {
        topic: topic.clone(),
        partition,
    })
}

fn ends(lookup: &mut Lookup, of: Vec<TopicPartition>) -> Result<Vec<(TopicPartition, i64)>, Error> {
    let ends = lookup.high_watermarks(&of, CALL)?;
    Ok(of.into_iter().zip(ends).collect())
}

fn now() -> Wall {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Wall(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
