//! From an assigned partition to a running task: one question after another, each asked only once the one before is answered.

use super::recovery::{self, Found, Plan};
use super::retry::Retry;
use super::stops;
use super::task::Running;
use super::{Action, RecoveryAnswer, RecoveryQuestion, Report, Seen};
use crate::index::{Applied, Batch, Begin, Begun, Change, Generation, Marker};
use crate::judging::Facts;
use crate::kafka::TopicPartition;
use crate::state::cache::Cache;
use crate::state::overlay::Overlay;
use crate::state::progress::{Expected, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// What recovery has found so far, and the one question that is open.
pub struct Recovering {
    committed: Vec<Option<i64>>,
    /// Of each input the first offset, and the one after the last.
    input_logs: Vec<(i64, i64)>,
    settings_end: i64,
    low: i64,
    high: i64,
    progress: Option<Progress>,
    positions: BTreeMap<TopicPartition, i64>,
    seen: Seen,
    /// The last progress record below the marker.
    below: Option<Progress>,
    of: Option<Generation>,
    /// Offset that the index has been brought to.
    applied_to: i64,
    pub(super) replayed: u64,
    pub(super) asked: RecoveryQuestion,
    pub(super) retry: Retry,
    /// Why the partition would have stopped, when it was looked at before.
    contradiction: Option<String>,
    /// The index may have lost something.
    pub(super) suspect: bool,
    /// Why the partition stops once its index is begun anew.
    unfit: Option<String>,
}

/// What an answer leads to.
pub enum Next {
    Ask(RecoveryQuestion),
    Run(Box<Running>),
    Stop(String),
    /// The state is not for this program: nothing of it may run.
    Unfit(String),
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

type Context<'a, 'b> = (i32, &'a mut Around<'b>, &'a mut Vec<Action>);

impl Recovering {
    pub(super) fn new(asked: RecoveryQuestion, suspect: bool) -> Self {
        Self {
            committed: Vec::new(),
            input_logs: Vec::new(),
            settings_end: 0,
            low: 0,
            high: 0,
            progress: None,
            positions: BTreeMap::new(),
            seen: Seen::default(),
            below: None,
            of: None,
            applied_to: 0,
            replayed: 0,
            asked,
            retry: Retry::default(),
            contradiction: None,
            suspect,
            unfit: None,
        }
    }

    /// Looks again at a partition that was stopped: it is known already why.
    pub(super) fn again(mut self, why: String) -> Self {
        self.contradiction = Some(why);
        self
    }

    /// Things found at different times may contradict each other because another owner wrote in between: a process that was
    /// frozen and doesn't know yet what it lost. So all is looked at anew, after a while, and only what is found twice is
    /// said. True: it was.
    pub(super) fn is_found_twice(&mut self, why: &str, inputs: &[TopicPartition], steady_ms: u64) -> bool {
        if self.contradiction.as_deref() == Some(why) {
            return true;
        }
        self.contradiction = Some(why.to_owned());
        self.asked = RecoveryQuestion::Committed(inputs.to_vec());
        self.retry.failed(steady_ms);
        false
    }

    pub(super) fn answered(
        &mut self,
        answer: RecoveryAnswer,
        changelog: &TopicPartition,
        inputs: &[TopicPartition],
        context: Context<'_, '_>,
    ) -> Next {
        let (partition, around, actions) = context;
        if !matches!(answer, RecoveryAnswer::Unavailable(_)) {
            self.retry.succeeded();
        }
        match answer {
            RecoveryAnswer::Unavailable(what) => self.unavailable(what, (partition, around, actions)),
            RecoveryAnswer::Hopeless(why) => Next::Stop(why),
            RecoveryAnswer::Unreadable(what) => self.unreadable(partition, &what),
            RecoveryAnswer::Untrusted { why, marker } => self.give_up(why, marker, around),
            RecoveryAnswer::Committed(committed) => {
                (self.committed, self.seen, self.below) = (committed, Seen::default(), None);
                Next::Ask(RecoveryQuestion::Watermarks {
                    changelog: changelog.clone(),
                    inputs: inputs.to_vec(),
                })
            }
            RecoveryAnswer::Watermarks {
                low,
                high,
                input_lows,
                input_ends,
                settings_end,
            } => {
                (self.low, self.high, self.settings_end) = (low, high, settings_end);
                self.input_logs = input_lows.into_iter().zip(input_ends).collect();
                Next::Ask(RecoveryQuestion::LastProgress {
                    changelog: changelog.clone(),
                    low,
                    high,
                })
            }
            RecoveryAnswer::LastProgress(progress) => {
                self.progress = progress;
                self.check(partition, inputs, around)
            }
            RecoveryAnswer::Seen(seen) => self.seen(seen, changelog, (partition, around, actions)),
            RecoveryAnswer::ProgressBelow(below) => {
                self.below = below;
                self.plan(partition, changelog, around, actions)
            }
            RecoveryAnswer::Begun(Begun::Begun(marker)) => match self.unfit.take() {
                Some(why) => Next::Stop(why),
                None => {
                    self.of = Some(marker.of);
                    self.applied_to = marker.offset;
                    // There may be no room for both.
                    actions.push(Action::SweepForeign(partition));
                    self.ask_replay(changelog)
                }
            },
            // Another owner began a build of its own: it may be the rightful one. Look again from the start.
            RecoveryAnswer::Begun(Begun::Other(_)) | RecoveryAnswer::Applied(Applied::Foreign(_) | Applied::Gap(_)) => {
                Next::Ask(RecoveryQuestion::Committed(inputs.to_vec()))
            }
            RecoveryAnswer::Replayed { changes, next } => self.apply(changes, next, around),
            RecoveryAnswer::Applied(Applied::Applied | Applied::Already) => {
                actions.push(Action::Report(self.applied(partition)));
                self.replay(changelog, around)
            }
        }
    }

    /// Its values are built anew when all is looked at again; a marker is nothing that recovery may write over unread.
    fn unreadable(&mut self, partition: i32, what: &str) -> Next {
        self.suspect = true;
        Next::Stop(stops::unreadable_index(partition, what))
    }

    fn unavailable(&mut self, what: String, (partition, around, actions): Context<'_, '_>) -> Next {
        self.retry.failed(around.steady_ms);
        if matches!(self.asked, RecoveryQuestion::Apply { .. }) {
            // The index may be full of older builds.
            actions.push(Action::SweepForeign(partition));
        }
        actions.push(Action::Report(Report::Unavailable { partition, what }));
        Next::Wait
    }

    /// Before anything is made of it, the record that it was applied from last is looked for.
    fn seen(&mut self, seen: Seen, changelog: &TopicPartition, context: Context<'_, '_>) -> Next {
        let (partition, around, actions) = context;
        self.seen = seen;
        match self.found(partition, around).below_marker() {
            Some((low, marker)) => Next::Ask(RecoveryQuestion::ProgressBelow {
                changelog: changelog.clone(),
                low,
                marker,
            }),
            None => self.plan(partition, changelog, around, actions),
        }
    }

    /// Whether the state is ours to go on from, and from where. Asked before the index is touched: where the changelog was
    /// lost, the index may be the last to hold what stood in it.
    fn check(&mut self, partition: i32, inputs: &[TopicPartition], around: &Around<'_>) -> Next {
        let known = match &self.progress {
            Some(progress) => match around.settings.accepts(progress) {
                Err(why) => return Next::Unfit(why),
                Ok(()) => {
                    let topics = (around.facts)(progress.incarnation).topics;
                    let next_of = |at: &TopicPartition| Some((at.clone(), progress.next_of(&topics.input(at))?));
                    inputs.iter().filter_map(next_of).collect()
                }
            },
            None => BTreeMap::new(),
        };
        let known = |input: &TopicPartition| known.get(input).copied();
        let named = self.progress.as_ref().map_or(0, |progress| progress.settings_next);
        if named > self.settings_end {
            return Next::Stop(stops::settings_lost(partition, named, self.settings_end));
        }
        match recovery::positions(partition, inputs, &self.committed, &self.input_logs, &known) {
            Ok(positions) => self.positions = positions,
            Err(why) => return Next::Stop(why),
        }
        Next::Ask(RecoveryQuestion::Marker)
    }

    /// The index took the piece that was asked for last.
    fn applied(&mut self, partition: i32) -> Report {
        let mut replayed = 0;
        if let RecoveryQuestion::Apply { batch, .. } = &self.asked {
            self.applied_to = batch.to;
            replayed = batch.changes.len() as u64;
        }
        let remaining = self.high - self.applied_to;
        Report::RestoreProgress {
            partition,
            remaining,
            replayed,
        }
    }

    /// Begins a build of an index that may lose what it holds, and leaves it empty: so whoever owns the partition once Redis is
    /// set right reads the whole changelog, be it one that never heard of this.
    fn give_up(&mut self, why: String, marker: Option<Marker>, around: &mut Around<'_>) -> Next {
        self.suspect = true;
        let is_empty = |marker: &Marker| marker.offset <= self.low && !marker.is_complete();
        let Some(marker) = marker.filter(|marker| !is_empty(marker)) else {
            return Next::Stop(why);
        };
        self.unfit = Some(why);
        let incarnation = self.progress.as_ref().map(|progress| progress.incarnation);
        self.begin(incarnation, Some(marker), around)
    }

    /// Where the changelog may begin. Of one without a progress record nothing is known that could be missed.
    fn begins(&self) -> i64 {
        self.progress.as_ref().map_or(self.low, |progress| progress.begins)
    }

    /// Begins a build, in place of the one that was seen.
    fn begin(&self, incarnation: Option<Uuid>, seen: Option<Marker>, around: &mut Around<'_>) -> Next {
        let of = Generation {
            incarnation: incarnation.unwrap_or_else(|| (around.fresh_uuid)()),
            generation: (around.fresh_uuid)(),
            format: around.settings.expected.index_format(),
        };
        Next::Ask(RecoveryQuestion::Begin(Begin {
            expected: seen.map(|marker| marker.of.generation),
            of,
            offset: self.begins(),
            at: around.now_ms,
        }))
    }

    fn found(&self, partition: i32, around: &Around<'_>) -> Found {
        Found {
            partition,
            low: self.low,
            high: self.high,
            last: self.progress.clone(),
            seen: self.seen.clone(),
            below: self.below.clone(),
            suspect: self.suspect,
            formats: Expected::index_formats(),
            now: around.now_ms,
        }
    }

    fn plan(
        &mut self,
        partition: i32,
        changelog: &TopicPartition,
        around: &mut Around<'_>,
        actions: &mut Vec<Action>,
    ) -> Next {
        self.suspect |= self.seen.spoilt;
        let found = self.found(partition, around);
        match (recovery::plan(&found), self.seen.marker) {
            (Plan::Stop { why }, _) => Next::Stop(why),
            (Plan::Replay { from }, Some(marker)) => {
                if found.is_cut() {
                    let begins = found.low;
                    actions.push(Action::Report(Report::ChangelogCut { partition, begins }));
                }
                self.of = Some(marker.of);
                self.applied_to = from;
                self.ask_replay(changelog)
            }
            (Plan::Replay { .. } | Plan::Rebuild { .. }, marker) => {
                // Of an empty changelog there is nothing to rebuild.
                if let Plan::Rebuild { why } = recovery::plan(&found)
                    && self.low < self.high
                {
                    actions.push(Action::Report(Report::Rebuilding { partition, why }));
                }
                self.begin(found.incarnation(), marker, around)
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

    fn replay(&mut self, changelog: &TopicPartition, around: &mut Around<'_>) -> Next {
        if self.applied_to < self.high {
            return self.ask_replay(changelog);
        }
        self.run(around)
    }

    fn apply(&mut self, changes: Vec<Change>, next: i64, around: &mut Around<'_>) -> Next {
        let Some(of) = self.of else {
            return Next::Stop("replayed a changelog before its index was known: report this".to_owned());
        };
        self.replayed += changes.len() as u64;
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

    fn run(&mut self, around: &mut Around<'_>) -> Next {
        let Some(of) = self.of else {
            return Next::Stop("an index without a build: report this".to_owned());
        };
        let facts = (around.facts)(of.incarnation);
        let positions = std::mem::take(&mut self.positions);
        let begins = self.begins();
        let progress = self.progress.take().unwrap_or_else(|| Progress {
            begins,
            ..Progress::first(&around.settings.expected, of.incarnation)
        });
        Next::Run(Box::new(Running {
            facts: Arc::new(facts),
            of,
            sweep: super::sweep::Sweeper::default(),
            progress,
            collected: positions.clone(),
            positions,
            overlay: Overlay::new(self.applied_to),
            cache: Cache::new(0),
            applying: None,
            applied_ms: around.steady_ms,
            apply_retry: Retry::default(),
            kept_ms: around.steady_ms,
            unreadable: None,
        }))
    }
}
