//! One task: the life of an owned partition, from its assignment through recovery to running, stopped or closing.

use super::recovery::{self, Found, Plan};
use super::{Action, Life, RecoveryAnswer, RecoveryQuestion, Report};
use crate::domain::time::Instant;
use crate::index::{Applied, Batch, Begin, Begun, Change, Generation, Marker, Op};
use crate::judging::Facts;
use crate::kafka::TopicPartition;
use crate::state::cache::Cache;
use crate::state::clocks;
use crate::state::keys::RecordKey;
use crate::state::overlay::Overlay;
use crate::state::progress::Progress;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Waits between two tries of a question that could not be asked: doubled each time, up to the greatest.
const LEAST_RETRY_MS: u64 = 100;
const GREATEST_RETRY_MS: u64 = 5_000;

pub enum Phase {
    Recovering(Box<Recovering>),
    Running(Box<Running>),
    /// Paused until an operator has acted; the sentence says why.
    Stopped,
}

pub struct Task {
    pub life: Life,
    pub changelog: TopicPartition,
    /// `router-commands` first, then the partitions of the inputs that fall to this task.
    pub inputs: Vec<TopicPartition>,
    pub phase: Phase,
    /// Revoked or lost: takes nothing new; is let go of once the index has what was committed, or at a deadline.
    pub closing: bool,
}

/// What recovery has found so far, and the one question that is open.
pub struct Recovering {
    committed: Vec<Option<i64>>,
    input_lows: Vec<i64>,
    low: i64,
    high: i64,
    progress: Option<Progress>,
    marker: Option<Marker>,
    of: Option<Generation>,
    /// Offset that the index has been brought to.
    applied_to: i64,
    replayed: u64,
    asked: RecoveryQuestion,
    retry_after_ms: u64,
    retry_at_ms: Option<u64>,
}

/// All that a running task knows. Gone with every doubt: recovery makes it anew.
pub struct Running {
    pub facts: Arc<Facts>,
    pub of: Generation,
    /// The last committed progress record.
    pub progress: Progress,
    /// The next offset of each input after the last commit.
    pub positions: BTreeMap<TopicPartition, i64>,
    /// The same, with what has been collected since: records before it are repeats of what we have.
    pub collected: BTreeMap<TopicPartition, i64>,
    pub overlay: Overlay,
    pub cache: Cache,
    /// A call to the index is under way, up to this offset.
    pub applying: Option<i64>,
    /// When the last such call was made.
    pub applied_ms: u64,
    pub apply_retry: Retry,
    pub sweep: super::sweep::Sweeper,
}

impl Running {
    /// The least of the greatest decision times consumed; None while there is an input of which nothing was, be it one that
    /// the last progress record does not know yet.
    #[must_use]
    pub fn stream_time(&self) -> Option<Instant> {
        let is_known = |at| self.progress.next_of(&self.facts.topics.input(at)).is_some();
        let all_known = self.positions.keys().all(is_known);
        all_known.then(|| self.progress.stream_time()).flatten()
    }
}

/// When to try again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retry {
    wait_ms: u64,
    at_ms: Option<u64>,
}

impl Retry {
    pub fn failed(&mut self, now_ms: u64) {
        self.wait_ms = (self.wait_ms * 2).clamp(LEAST_RETRY_MS, GREATEST_RETRY_MS);
        self.at_ms = Some(now_ms + self.wait_ms);
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.at_ms.is_none_or(|at| at <= now_ms)
    }

    /// After so many failed attempts.
    #[must_use]
    pub fn after_attempts(attempts: u32, now_ms: u64) -> Self {
        let wait_ms = (LEAST_RETRY_MS / 2 << attempts.min(10)).min(GREATEST_RETRY_MS) / 2;
        Self {
            wait_ms,
            at_ms: Some(now_ms + wait_ms),
        }
    }

    /// Tried again just now: the next failure waits longer.
    #[must_use]
    pub fn asked(self) -> Self {
        Self { at_ms: None, ..self }
    }

    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.at_ms.is_some()
    }
}

/// What an answer leads to.
pub enum Next {
    Ask(RecoveryQuestion),
    Run(Box<Running>),
    Stop(String),
    /// Asked again later.
    Wait,
}

/// What recovery needs beside the answers.
pub struct Around<'a> {
    pub now_ms: i64,
    pub steady_ms: u64,
    pub fresh_uuid: &'a mut dyn FnMut() -> Uuid,
    pub facts: &'a dyn Fn(Uuid) -> Facts,
    pub settings: &'a super::core::Config,
}

impl Task {
    #[must_use]
    pub fn new(life: Life, changelog: TopicPartition, inputs: Vec<TopicPartition>) -> Self {
        let recovering = Recovering::new(RecoveryQuestion::Committed(inputs.clone()));
        Self {
            life,
            changelog,
            inputs,
            phase: Phase::Recovering(Box::new(recovering)),
            closing: false,
        }
    }

    #[must_use]
    pub fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Begins recovery, under the life that the task has by now.
    pub fn recover(&mut self) -> Action {
        let question = RecoveryQuestion::Committed(self.inputs.clone());
        self.phase = Phase::Recovering(Box::new(Recovering::new(question.clone())));
        Action::Recover(self.life, question)
    }

    /// Takes an answer; the actions and reports that follow are the caller's to pass on.
    pub fn recovered(&mut self, answer: RecoveryAnswer, around: &mut Around<'_>) -> Vec<Action> {
        let (changelog, inputs) = (self.changelog.clone(), self.inputs.clone());
        let Phase::Recovering(recovering) = &mut self.phase else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        let next = recovering.answered(answer, &changelog, &inputs, (self.life.partition, around, &mut actions));
        match next {
            Next::Ask(question) => {
                recovering.asked = question.clone();
                actions.push(Action::Recover(self.life, question));
            }
            Next::Wait => {}
            Next::Stop(why) => {
                self.phase = Phase::Stopped;
                actions.push(Action::Report(Report::Stopped {
                    partition: self.life.partition,
                    why,
                }));
            }
            Next::Run(running) => {
                let at = running
                    .positions
                    .iter()
                    .map(|(at, offset)| (at.clone(), *offset))
                    .collect();
                let records = recovering.replayed;
                self.phase = Phase::Running(running);
                actions.push(Action::Report(Report::Restored {
                    partition: self.life.partition,
                    records,
                }));
                actions.push(Action::Resume(at));
            }
        }
        actions
    }

    /// Asks the open question again once its wait is over.
    pub fn tick(&mut self, steady_ms: u64) -> Option<Action> {
        let Phase::Recovering(recovering) = &mut self.phase else {
            return None;
        };
        let at = recovering.retry_at_ms?;
        if at > steady_ms {
            return None;
        }
        recovering.retry_at_ms = None;
        Some(Action::Recover(self.life, recovering.asked.clone()))
    }
}

type Context<'a, 'b> = (i32, &'a mut Around<'b>, &'a mut Vec<Action>);

impl Recovering {
    fn new(asked: RecoveryQuestion) -> Self {
        Self {
            committed: Vec::new(),
            input_lows: Vec::new(),
            low: 0,
            high: 0,
            progress: None,
            marker: None,
            of: None,
            applied_to: 0,
            replayed: 0,
            asked,
            retry_after_ms: LEAST_RETRY_MS,
            retry_at_ms: None,
        }
    }

    fn answered(
        &mut self,
        answer: RecoveryAnswer,
        changelog: &TopicPartition,
        inputs: &[TopicPartition],
        context: Context<'_, '_>,
    ) -> Next {
        let (partition, around, actions) = context;
        if !matches!(answer, RecoveryAnswer::Unavailable(_)) {
            self.retry_after_ms = LEAST_RETRY_MS;
        }
        match answer {
            RecoveryAnswer::Unavailable(what) => {
                self.retry_at_ms = Some(around.steady_ms + self.retry_after_ms);
                self.retry_after_ms = (self.retry_after_ms * 2).min(GREATEST_RETRY_MS);
                actions.push(Action::Report(Report::Unavailable { partition, what }));
                Next::Wait
            }
            RecoveryAnswer::Hopeless(why) => Next::Stop(why),
            RecoveryAnswer::Committed(committed) => {
                self.committed = committed;
                Next::Ask(RecoveryQuestion::Watermarks {
                    changelog: changelog.clone(),
                    inputs: inputs.to_vec(),
                })
            }
            RecoveryAnswer::Watermarks { low, high, input_lows } => {
                (self.low, self.high, self.input_lows) = (low, high, input_lows);
                Next::Ask(RecoveryQuestion::LastProgress {
                    changelog: changelog.clone(),
                    low,
                    high,
                })
            }
            RecoveryAnswer::LastProgress(progress) => {
                match progress.as_ref().map(|found| around.settings.accepts(found)) {
                    Some(Err(why)) => Next::Stop(why),
                    _ => {
                        self.progress = progress;
                        Next::Ask(RecoveryQuestion::Marker)
                    }
                }
            }
            RecoveryAnswer::Marker(marker) => {
                self.marker = marker;
                self.plan(partition, changelog, around, actions)
            }
            RecoveryAnswer::Begun(Begun::Begun(marker)) => {
                self.of = Some(marker.of);
                self.applied_to = marker.offset;
                self.ask_replay(changelog)
            }
            // Another owner began a build of its own: it may be the rightful one. Look again from the start.
            RecoveryAnswer::Begun(Begun::Other(_)) | RecoveryAnswer::Applied(Applied::Foreign(_) | Applied::Gap(_)) => {
                Next::Ask(RecoveryQuestion::Committed(inputs.to_vec()))
            }
            RecoveryAnswer::Replayed { records, next } => {
                self.replayed += records.len() as u64;
                self.apply(records, next, around)
            }
            RecoveryAnswer::Applied(Applied::Applied | Applied::Already) => {
                let mut replayed = 0;
                if let RecoveryQuestion::Apply { batch, .. } = &self.asked {
                    self.applied_to = batch.to;
                    replayed = batch.changes.len() as u64;
                }
                let remaining = self.high - self.applied_to;
                actions.push(Action::Report(Report::RestoreProgress {
                    partition,
                    remaining,
                    replayed,
                }));
                self.replay(changelog, inputs, around)
            }
        }
    }

    fn plan(
        &mut self,
        partition: i32,
        changelog: &TopicPartition,
        around: &mut Around<'_>,
        actions: &mut Vec<Action>,
    ) -> Next {
        let found = Found {
            low: self.low,
            high: self.high,
            incarnation: self.progress.as_ref().map(|progress| progress.incarnation),
            marker: self.marker,
            format: around.settings.index_format(),
            now: around.now_ms,
        };
        match (recovery::plan(&found), self.marker) {
            (Plan::Stop { why }, _) => Next::Stop(why),
            (Plan::Replay { from }, Some(marker)) => {
                self.of = Some(marker.of);
                self.applied_to = from;
                self.ask_replay(changelog)
            }
            (Plan::Replay { .. } | Plan::Rebuild { .. }, marker) => {
                if let Plan::Rebuild { why } = recovery::plan(&found) {
                    actions.push(Action::Report(Report::Rebuilding { partition, why }));
                }
                let incarnation = found.incarnation.unwrap_or_else(|| (around.fresh_uuid)());
                let of = Generation {
                    incarnation,
                    generation: (around.fresh_uuid)(),
                    format: around.settings.index_format(),
                };
                let expected = marker.map(|marker| marker.of.generation);
                Next::Ask(RecoveryQuestion::Begin(Begin {
                    expected,
                    of,
                    offset: self.low,
                    at: around.now_ms,
                }))
            }
        }
    }

    fn ask_replay(&self, changelog: &TopicPartition) -> Next {
        Next::Ask(RecoveryQuestion::Replay {
            changelog: changelog.clone(),
            from: self.applied_to,
            to: self.high,
        })
    }

    fn replay(&mut self, changelog: &TopicPartition, inputs: &[TopicPartition], around: &mut Around<'_>) -> Next {
        if self.applied_to < self.high {
            return self.ask_replay(changelog);
        }
        self.run(inputs, around)
    }

    fn apply(&mut self, records: Vec<(i64, Vec<u8>, Option<Vec<u8>>)>, next: i64, around: &mut Around<'_>) -> Next {
        let Some(of) = self.of else {
            return Next::Stop("replayed a changelog before its index was known: report this".to_owned());
        };
        let changes: Result<Vec<Change>, _> = records
            .into_iter()
            .map(|(offset, key, value)| {
                Ok(Change {
                    offset,
                    ops: replayed(&key, value.as_deref())?,
                })
            })
            .collect();
        let changes = match changes {
            Ok(changes) => changes,
            Err(why) => return Next::Stop(why),
        };
        let caught_up = next >= self.high;
        let applied_until = caught_up.then_some(around.now_ms);
        let batch = Batch {
            from: self.applied_to,
            to: next,
            changes,
            applied_until,
        };
        Next::Ask(RecoveryQuestion::Apply { of, batch })
    }

    fn run(&mut self, inputs: &[TopicPartition], around: &mut Around<'_>) -> Next {
        let Some(of) = self.of else {
            return Next::Stop("an index without a build: report this".to_owned());
        };
        let facts = (around.facts)(of.incarnation);
        let known = |input: &TopicPartition| self.progress.as_ref()?.next_of(&facts.topics.input(input));
        let positions = match recovery::positions(inputs, &self.committed, &self.input_lows, &known) {
            Ok(positions) => positions,
            Err(why) => return Next::Stop(why),
        };
        let progress = self
            .progress
            .take()
            .unwrap_or_else(|| Progress::first(&around.settings.expected, of.incarnation));
        Next::Run(Box::new(Running {
            facts: Arc::new(facts),
            of,
            sweep: super::sweep::Sweeper::default(),
            progress,
            collected: positions.clone(),
            positions,
            overlay: Overlay::new(around.settings.overlay_max_bytes, self.applied_to),
            cache: Cache::new(around.settings.cache_entries),
            applying: None,
            applied_ms: around.steady_ms,
            apply_retry: Retry::default(),
        }))
    }
}

/// What one changelog record does to the index.
fn replayed(key: &[u8], value: Option<&[u8]>) -> Result<Vec<Op>, String> {
    let key = RecordKey::parse(key).ok_or("the changelog holds a record under a key that this version doesn't know")?;
    clocks::replay(&key, value).map_err(|error| error.to_string())
}
