//! What a worker's one batch is at: it waits for what it has to know, or for the end of its transaction.

use super::batch::{Batch, Folded, Misses};
use super::retry::Retry;
use super::task::{Running, Task};
use super::trust::Doubt;
use super::{Action, Life, Partition};
use crate::domain::record::Key;
use crate::judging::SettingsTable;
use crate::state::keys::RecordKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A batch waits so long for the index of one of its tasks, and then goes on without that task.
const OTHERS_WAIT_MS: u64 = 5_000;

pub enum Stage {
    Idle,
    Gathering(Box<Gathering>),
    /// A transaction is open, or its end is awaited.
    Open(Box<Open>),
    /// No transaction is open; the producer is being replaced. Nothing of the batch is left: all tasks will be doubted.
    Replacing,
}

/// A batch that waits for the settings and for values of the index.
pub struct Gathering {
    pub(super) batch: Batch,
    /// The first keys have been asked for.
    pub(super) prepared: bool,
    /// Keys asked for, by task.
    asked: BTreeMap<Partition, Asked>,
    /// Tasks whose question could not be asked, and when to ask again.
    retries: BTreeMap<Partition, Retry>,
    pub(super) settings_retry: Option<Retry>,
    /// The first question about the settings that was asked after the batch was taken.
    settings_question: u64,
    /// Not folded before: after an abort it waits a little.
    pub(super) pause: Retry,
}

/// A question to the index. What it had acknowledged by then, its answer must have: what it acknowledges meanwhile may be told
/// before the answer.
struct Asked {
    keys: Vec<(Key, RecordKey)>,
    acknowledged: i64,
    since_ms: u64,
}

pub struct Open {
    pub(super) batch: Batch,
    pub(super) folded: Folded,
    pub(super) offsets: Vec<Option<i64>>,
    pub(super) begun: bool,
    /// A record of it was refused, and nobody says which: its items are tried one by one.
    pub(super) alone: bool,
    /// Why it is not committed.
    pub(super) aborted_for: String,
}

impl Stage {
    #[must_use]
    pub fn gather(batch: Batch, settings_question: u64) -> Self {
        Self::Gathering(Box::new(Gathering {
            batch,
            prepared: false,
            asked: BTreeMap::new(),
            retries: BTreeMap::new(),
            settings_retry: None,
            settings_question,
            pause: Retry::default(),
        }))
    }

    /// Whether no batch is under way, or one that only another producer could bring to its end.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Idle | Self::Replacing => true,
            Self::Gathering(_) => false,
            Self::Open(open) => !open.begun,
        }
    }

    #[must_use]
    pub fn in_transaction(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Replacing)
    }

    pub fn forget(&mut self, partition: Partition) {
        if let Self::Gathering(gathering) = self {
            gathering.batch.forget(partition);
            gathering.asked.remove(&partition);
            gathering.retries.remove(&partition);
            if gathering.batch.items.is_empty() {
                *self = Self::Idle;
            }
        }
    }

    /// It is asked again, unless the other tasks of the batch have waited long enough.
    pub fn read_failed(&mut self, partition: Partition, now_ms: u64) -> Result<(), Doubt> {
        let Self::Gathering(gathering) = self else {
            return Ok(());
        };
        let asked = gathering.asked.get(&partition);
        if asked.is_some_and(|asked| now_ms - asked.since_ms >= OTHERS_WAIT_MS) {
            return Err(Doubt::Cause("index_unavailable"));
        }
        gathering.retries.entry(partition).or_default().failed(now_ms);
        Ok(())
    }

    /// Values that were asked for, in the order of the keys, and where the index's marker stood. Err: they can't be what this
    /// task wrote.
    pub fn read_done(
        &mut self,
        partition: Partition,
        (marker, values): (i64, Vec<Option<Vec<u8>>>),
        running: &mut Running,
    ) -> Result<(), Doubt> {
        let Self::Gathering(gathering) = self else {
            return Ok(());
        };
        let Some(asked) = gathering.asked.remove(&partition) else {
            return Ok(());
        };
        if marker < asked.acknowledged {
            return Err(Doubt::Cause("index_rolled_back"));
        }
        gathering.retries.remove(&partition);
        let Some(part) = gathering.batch.parts.get_mut(&partition) else {
            return Ok(());
        };
        for (missed, value) in asked.keys.into_iter().zip(values) {
            part.set
                .read(missed, value.as_deref(), &mut running.cache)
                .map_err(|_| Doubt::Unreadable)?;
        }
        Ok(())
    }

    /// An answer to a question asked before the batch was taken is not for it: it may lack what the batch must see (K4).
    pub fn settings_read(&mut self, question: u64, table: Option<Arc<SettingsTable>>, now_ms: u64) {
        let Self::Gathering(gathering) = self else { return };
        if question < gathering.settings_question {
            return;
        }
        match table {
            Some(table) => gathering.batch.settings = Some(table),
            None => gathering.settings_retry.get_or_insert_default().failed(now_ms),
        }
    }
}

impl Gathering {
    /// Whether all that it asked for has come.
    pub(super) fn is_complete(&self) -> bool {
        self.asked.is_empty() && self.batch.settings.is_some()
    }

    /// Asks the index for what is missing; every task's keys in one question.
    pub(super) fn ask(
        &mut self,
        misses: Misses,
        tasks: &BTreeMap<Partition, Task>,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        for (partition, keys) in misses {
            let Some((life, running)) = running(partition, tasks) else {
                continue;
            };
            let acknowledged = running.overlay.acknowledged();
            let asked = Asked {
                keys,
                acknowledged,
                since_ms: now_ms,
            };
            actions.push(asked.action(life, running));
            self.asked.insert(partition, asked);
        }
    }

    pub(super) fn ask_again(&mut self, tasks: &BTreeMap<Partition, Task>, now_ms: u64, actions: &mut Vec<Action>) {
        for (partition, retry) in &mut self.retries {
            if retry.is_waiting() && retry.is_due(now_ms) {
                *retry = retry.asked();
                if let (Some(asked), Some((life, running))) = (self.asked.get(partition), running(*partition, tasks)) {
                    actions.push(asked.action(life, running));
                }
            }
        }
    }
}

fn running(partition: Partition, tasks: &BTreeMap<Partition, Task>) -> Option<(Life, &Running)> {
    let task = tasks.get(&partition)?;
    Some((task.life, task.running()?))
}

impl Asked {
    fn action(&self, life: Life, running: &Running) -> Action {
        let keys = self.keys.iter().map(|(_, key)| key.as_bytes().to_vec()).collect();
        let of = running.of;
        Action::Read { life, of, keys }
    }
}
