//! The worker's calls of the index. They go on in the background, those of one batch side by side, and their answers come to
//! the mailbox.

use super::Worker;
use crate::index::{Batch, Due, Error, Generation, Index, Read};
use crate::protocol::{DueEntries, DueQuestion, Event, Life, Partition};
use crate::telemetry::metrics::IndexCall;
use crate::telemetry::watch;
use std::time::Instant;

/// Stored keys of older builds given back in one call.
const SWEPT_AT_ONCE: usize = 2_000;

impl Worker {
    pub(super) fn read(&self, life: Life, of: Generation, keys: Vec<Vec<u8>>) {
        let (index, watch, mail) = (
            self.parts.index.clone(),
            self.parts.watch.clone(),
            self.parts.mailbox.0.clone(),
        );
        self.parts.runtime.spawn(async move {
            let started = Instant::now();
            let read = index.read(life.partition, &of, &keys).await;
            watch.index_call(IndexCall::Read, watch::outcome(&read), started.elapsed());
            let values = read.map_err(|error| watch.index_failed(&error)).ok();
            _ = mail.send(Event::Values(life, values));
        });
    }

    pub(super) fn apply(&self, life: Life, of: Generation, batch: Batch) {
        let (index, watch, mail) = (
            self.parts.index.clone(),
            self.parts.watch.clone(),
            self.parts.mailbox.0.clone(),
        );
        self.parts.runtime.spawn(async move {
            let started = Instant::now();
            let applied = index.apply(life.partition, &of, &batch).await;
            watch.index_call(IndexCall::Apply, watch::applied(&applied), started.elapsed());
            let applied = applied.map_err(|error| watch.index_failed(&error)).ok();
            _ = mail.send(Event::Applied(life, applied));
        });
    }

    pub(super) fn find_due(&self, question: DueQuestion) {
        let (index, watch, mail) = (
            self.parts.index.clone(),
            self.parts.watch.clone(),
            self.parts.mailbox.0.clone(),
        );
        self.parts.runtime.spawn(async move {
            let started = Instant::now();
            let due = due_entries(&index, &question).await;
            watch.index_call(IndexCall::Due, watch::outcome(&due), started.elapsed());
            let due = due.map_err(|error| watch.index_failed(&error)).ok();
            _ = mail.send(Event::Due(question.life, due));
        });
    }

    /// Gives back what older builds hold, piece by piece. What is left after a fault is given back after the next recovery.
    pub(super) fn sweep_foreign(&self, partition: Partition) {
        let index = self.parts.index.clone();
        self.parts.runtime.spawn(async move {
            loop {
                match index.sweep_foreign(partition, SWEPT_AT_ONCE).await {
                    Ok(swept) if swept.more => {}
                    Ok(_) => return,
                    Err(error) => return tracing::debug!(partition, %error, "index_sweep_left"),
                }
            }
        });
    }
}

/// The values of the entries that the clocks name, each once.
async fn due_entries(index: &Index, question: &DueQuestion) -> Result<Read<DueEntries>, Error> {
    let DueQuestion {
        life,
        of,
        cutoffs,
        skip,
        limit,
    } = question;
    let questions: Vec<Due<'_>> = cutoffs
        .iter()
        .map(|(clock, upto)| Due {
            clock,
            upto: *upto,
            skip: *skip,
        })
        .collect();
    let found = match index.due(life.partition, of, &questions, *limit).await? {
        Read::Found { value, .. } => value,
        Read::Foreign(marker) => return Ok(Read::Foreign(marker)),
    };
    let whole = found.iter().all(|members| members.len() < *limit);
    let mut members: Vec<Vec<u8>> = found.into_iter().flatten().map(|member| member.member).collect();
    members.sort();
    members.dedup();
    Ok(match index.read(life.partition, of, &members).await? {
        Read::Found { marker, value } => {
            let values = value.into_iter().flatten().collect();
            Read::Found {
                marker,
                value: DueEntries { values, whole },
            }
        }
        Read::Foreign(marker) => Read::Foreign(marker),
    })
}
