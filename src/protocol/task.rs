//! One task: the life of an owned partition, from its assignment through recovery to running, stopped or closing.

use super::recovering::{Around, Next, Recovering};
use super::retry::Retry;
use super::rules::Rule;
use super::{Action, Life, RecoveryAnswer, RecoveryQuestion, Report};
use crate::domain::time::Instant;
use crate::index::Generation;
use crate::judging::Facts;
use crate::kafka::TopicPartition;
use crate::state::cache::Cache;
use crate::state::overlay::Overlay;
use crate::state::progress::Progress;
use std::collections::BTreeMap;
use std::sync::Arc;

pub enum Phase {
    Recovering(Box<Recovering>),
    Running(Box<Running>),
    /// Paused until an operator has acted.
    Stopped(Stopped),
}

/// A partition that was found unfit to run is looked at again after so long: an operator acts, and nobody tells.
const LOOK_AGAIN_MS: u64 = 10_000;
/// And one that ran: it costs a recovery each time.
const TRY_AGAIN_MS: u64 = 60_000;

/// Why it stopped, and when it is looked at again.
pub struct Stopped {
    why: String,
    /// None: not by itself.
    look_at_ms: Option<u64>,
}

impl Stopped {
    /// What was met while it ran would only be met again, so it is not tried as often.
    pub(super) fn running(why: String, steady_ms: u64) -> Self {
        Self {
            why,
            look_at_ms: Some(steady_ms + TRY_AGAIN_MS),
        }
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    /// Not to be looked at again.
    pub(super) fn for_good(why: String) -> Self {
        Self { why, look_at_ms: None }
    }

    pub(super) fn found(why: String, steady_ms: u64) -> Self {
        Self {
            why,
            look_at_ms: Some(steady_ms + LOOK_AGAIN_MS),
        }
    }
}

pub struct Task {
    pub life: Life,
    pub changelog: TopicPartition,
    /// `router-commands` first, then the partitions of the inputs that fall to this task.
    pub inputs: Vec<TopicPartition>,
    /// Those of them that the client was handed.
    pub held: Vec<TopicPartition>,
    pub phase: Phase,
    /// Revoked or lost: takes nothing new; is let go of once the index has what was committed, or at a deadline.
    pub closing: bool,
    /// Its index may have lost something: it runs again on another build only.
    pub suspect: bool,
    /// When its index was found to hold what can't be read, last.
    pub(super) unreadable_ms: Option<u64>,
    /// The input, and the offset of it, that was out of range last.
    pub(super) out_of_range: Option<(TopicPartition, i64)>,
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
    /// When the positions were committed last, as far as this life knows.
    pub kept_ms: u64,
    /// Nothing of its partition is taken from it on.
    pub unreadable: Option<Unreadable>,
}

/// A record of ours that this version can't read. What stands before it is judged first, so that giving it up gives up no other.
pub struct Unreadable {
    pub at: TopicPartition,
    pub offset: i64,
    pub why: String,
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

impl Task {
    #[must_use]
    pub fn new(life: Life, changelog: TopicPartition, inputs: Vec<TopicPartition>) -> Self {
        let recovering = Recovering::new(RecoveryQuestion::Committed(inputs.clone()), false);
        Self {
            life,
            changelog,
            inputs,
            held: Vec::new(),
            phase: Phase::Recovering(Box::new(recovering)),
            closing: false,
            suspect: false,
            unreadable_ms: None,
            out_of_range: None,
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

    /// Where to read what the client was not handed yet, now that this is known; from now on the client holds it.
    pub fn take_up(&mut self) -> Vec<(TopicPartition, i64)> {
        let Phase::Running(running) = &self.phase else {
            return Vec::new();
        };
        // It holds nothing but inputs. This is asked after every event.
        if self.held.len() == running.collected.len() {
            return Vec::new();
        }
        let new = running.collected.iter().filter(|(at, _)| !self.held.contains(at));
        let new: Vec<(TopicPartition, i64)> = new.map(|(at, offset)| (at.clone(), *offset)).collect();
        self.held.extend(new.iter().map(|(at, _)| at.clone()));
        new
    }

    /// Begins recovery, under the life that the task has by now.
    pub fn recover(&mut self) -> Action {
        let question = RecoveryQuestion::Committed(self.inputs.clone());
        self.phase = Phase::Recovering(Box::new(Recovering::new(question.clone(), self.suspect)));
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
        self.suspect = recovering.suspect;
        match next {
            Next::Ask(question) => {
                recovering.asked = question.clone();
                actions.push(Action::Recover(self.life, question));
            }
            Next::Wait => {}
            Next::Stop(why)
                if around.settings.rules.hold(Rule::FoundTwice)
                    && !recovering.is_found_twice(&why, &inputs, around.steady_ms) =>
            {
                actions.push(Action::Report(Report::Unavailable {
                    partition: self.life.partition,
                    what: why,
                }));
            }
            Next::Unfit(why) => {
                self.phase = Phase::Stopped(Stopped::for_good(why.clone()));
                actions.push(Action::Fail(why));
            }
            Next::Stop(why) => {
                self.phase = Phase::Stopped(Stopped::found(why.clone(), around.steady_ms));
                actions.push(Action::Report(Report::Stopped {
                    partition: self.life.partition,
                    why,
                }));
            }
            Next::Run(running) => {
                let sought = running.positions.iter().filter(|(at, _)| self.held.contains(at));
                let sought: Vec<(TopicPartition, i64)> = sought.map(|(at, offset)| (at.clone(), *offset)).collect();
                let records = recovering.replayed;
                self.suspect = false;
                self.phase = Phase::Running(running);
                actions.push(Action::Report(Report::Restored {
                    partition: self.life.partition,
                    records,
                }));
                if !sought.is_empty() {
                    actions.push(Action::Resume(sought));
                }
                actions.push(Action::SweepForeign(self.life.partition));
            }
        }
        actions
    }

    /// Asks the open question again once its wait is over; looks again at what was stopped.
    pub fn tick(&mut self, steady_ms: u64) -> Option<Action> {
        match &mut self.phase {
            Phase::Recovering(recovering) if recovering.retry.is_waiting() && recovering.retry.is_due(steady_ms) => {
                recovering.retry = recovering.retry.asked();
                Some(Action::Recover(self.life, recovering.asked.clone()))
            }
            Phase::Stopped(stopped) if stopped.look_at_ms.is_some_and(|at| at <= steady_ms) && !self.closing => {
                let question = RecoveryQuestion::Committed(self.inputs.clone());
                let why = std::mem::take(&mut stopped.why);
                let recovering = Recovering::new(question.clone(), self.suspect).again(why);
                self.phase = Phase::Recovering(Box::new(recovering));
                Some(Action::Recover(self.life, question))
            }
            _ => None,
        }
    }

    /// What stopped it for good is gone.
    pub(super) fn look_again(&mut self, steady_ms: u64) {
        if let Phase::Stopped(stopped) = &mut self.phase {
            stopped.look_at_ms.get_or_insert(steady_ms);
        }
    }
}
