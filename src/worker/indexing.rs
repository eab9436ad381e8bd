//! The worker's calls of the index. They go on in the background, those of one batch side by side, and their answers come to
//! the mailbox.

use super::Worker;
use crate::index::{Batch, Due, Error, ErrorKind, Generation, Index, Read};
use crate::protocol::{DueEntries, DueQuestion, Event, Life, Partition, Unanswered};
use crate::telemetry::metrics::{IndexCall, IndexOutcome};
use crate::telemetry::watch;
use std::time::Instant;
use tokio::runtime::Handle;

/// Stored keys of older builds given back in one call.
const SWEPT_AT_ONCE: usize = 2_000;

/// Under which call an answer is counted, and as what.
type Counted<T> = (IndexCall, fn(&Result<T, Error>) -> IndexOutcome);

impl Worker {
    pub(super) fn read(&self, life: Life, of: Generation, keys: Vec<Vec<u8>>) {
        let read = async move |index: Index| index.read(life.partition, &of, &keys).await;
        let tell = move |values| Event::Values(life, values);
        self.ask((IndexCall::Read, watch::outcome), read, tell);
    }

    pub(super) fn apply(&self, life: Life, of: Generation, batch: Batch) {
        let apply = async move |index: Index| index.apply(life.partition, &of, &batch).await;
        let tell = move |applied| Event::Applied(life, applied);
        self.ask((IndexCall::Apply, watch::applied), apply, tell);
    }

    pub(super) fn find_due(&self, question: DueQuestion) {
        let life = question.life;
        let find = async move |index: Index| due_entries(&index, &question).await;
        self.ask((IndexCall::Due, watch::outcome), find, move |due| Event::Due(life, due));
    }

    /// Asks, measures what is said of it by its outcome, and tells the answer, or why there is none.
    fn ask<T, F>(
        &self,
        (call, outcome): Counted<T>,
        ask: impl FnOnce(Index) -> F,
        tell: impl FnOnce(Result<T, Unanswered>) -> Event + Send + 'static,
    ) where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (asked, watch) = (ask(self.parts.index.clone()), self.parts.watch.clone());
        let measured = async move {
            let started = Instant::now();
            let answer = asked.await;
            watch.index_call(call, outcome(&answer), started.elapsed());
            answer.map_err(|error| {
                watch.index_failed(&error);
                unanswered(&error)
            })
        };
        let mail = self.parts.mailbox.0.clone();
        answer(&self.parts.runtime, measured, move |found| _ = mail.send(tell(found)));
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

/// What a call that failed says of the index.
fn unanswered(error: &Error) -> Unanswered {
    match error.kind() {
        ErrorKind::Corrupt => Unanswered::Unreadable(error.to_string()),
        _ => Unanswered::Unavailable,
    }
}

/// Every question has its answer: where the asking itself came to grief, it is the one of an index that is away.
fn answer<T: Send + 'static>(
    runtime: &Handle,
    asked: impl Future<Output = Result<T, Unanswered>> + Send + 'static,
    tell: impl FnOnce(Result<T, Unanswered>) + Send + 'static,
) {
    let asked = runtime.spawn(asked);
    runtime.spawn(async move {
        tell(asked.await.unwrap_or_else(|error| {
            tracing::error!(%error, "index_call_failed");
            Err(Unanswered::Unavailable)
        }));
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Begin, Change, Op};
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use uuid::Uuid;

    /// An index with so many members of one clock, each with a value; the build that they are of.
    async fn filled(members: i64) -> (Index, Generation) {
        let (index, of) = (
            Index::memory(),
            Generation {
                incarnation: Uuid::from_u128(1),
                generation: Uuid::from_u128(2),
                format: 1,
            },
        );
        let begin = Begin {
            expected: None,
            of,
            offset: 0,
            at: 0,
        };
        index.begin(0, &begin).await.expect("in memory");
        let change = |offset: i64| {
            let (member, value) = (vec![offset as u8], vec![1]);
            let (key, clock, start) = (member.clone(), b"clock".to_vec(), Some(offset));
            let ops = vec![Op::Put { key, value }, Op::Clock { clock, member, start }];
            Change { offset, ops }
        };
        let batch = Batch {
            from: 0,
            to: members,
            changes: (0..members).map(change).collect(),
            applied_until: None,
        };
        index.apply(0, &of, &batch).await.expect("in memory");
        (index, of)
    }

    #[tokio::test]
    async fn a_page_of_what_is_due_is_whole_only_if_no_clock_may_have_more() {
        let (index, of) = filled(3).await;
        for (skip, limit, found, whole) in [(0, 2, 2, false), (2, 2, 1, true), (0, 3, 3, false), (0, 4, 3, true)] {
            let question = DueQuestion {
                life: Life { partition: 0, epoch: 0 },
                of,
                cutoffs: vec![(b"clock".to_vec(), 9), (b"another".to_vec(), 9)],
                skip,
                limit,
            };
            let due = due_entries(&index, &question).await.expect("in memory");
            let Read::Found { value, .. } = due else {
                panic!("another build")
            };
            assert_eq!(
                (value.values.len(), value.whole),
                (found, whole),
                "{limit} after {skip}"
            );
        }
    }

    #[test]
    fn a_question_that_comes_to_grief_has_its_answer() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (said, heard) = channel();
        answer(runtime.handle(), async { Ok(1) }, {
            let said = said.clone();
            move |found| _ = said.send(found)
        });
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(Ok(1)));
        let grief = async { (!heard_nothing()).then_some(2).ok_or(Unanswered::Unavailable) };
        answer(runtime.handle(), grief, move |found| _ = said.send(found));
        let unavailable = Ok(Err(Unanswered::Unavailable));
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), unavailable);
    }

    fn heard_nothing() -> bool {
        panic!("as a library may")
    }
}
