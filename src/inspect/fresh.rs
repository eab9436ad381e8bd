//! How far the index must be applied to hold all that was committed before somebody asked: up to the last committed record of
//! each partition's changelog. Asked on a thread of its own; every question is answered as of a moment after it.

use crate::failure::{Exit, Failure};
use crate::kafka::{Error, Kind, Lookup, Settings, StableEnd, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;

const CALL: Duration = Duration::from_secs(3);

/// Asks; cheap to clone. Its thread ends with the last of them.
#[derive(Clone)]
pub struct Fresh(Sender<Question>);

struct Question {
    partition: i32,
    /// The index is applied up to here.
    applied: i64,
    answer: oneshot::Sender<Result<i64, Failure>>,
}

/// What was found at the end of a partition.
#[derive(Clone, Copy)]
struct Seen {
    high: i64,
    /// After the last committed record before it.
    last: i64,
}

impl Fresh {
    pub fn start(kafka: Settings, changelog: Arc<str>) -> Result<Self, Failure> {
        let (questions, asked) = channel();
        let thread = std::thread::Builder::new().name("fresh".to_owned());
        thread
            .spawn(move || serve(&kafka, &changelog, &asked))
            .map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))?;
        Ok(Self(questions))
    }

    /// The changelog offset that the partition's index must have reached, which stands at `applied`.
    pub async fn target(&self, partition: i32, applied: i64) -> Result<i64, Failure> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            partition,
            applied,
            answer,
        };
        let gone = |_| {
            Failure::new(
                Exit::Unreachable,
                "nobody can say how far the changelog goes: try again",
            )
        };
        self.0.send(question).map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}

fn serve(kafka: &Settings, changelog: &Arc<str>, asked: &Receiver<Question>) {
    let mut clients: Option<(Lookup, StableEnd)> = None;
    let mut seen = HashMap::new();
    while let Ok(question) = asked.recv() {
        let answer = look(kafka, changelog, &question, &mut clients, &mut seen);
        if answer.as_ref().is_err_and(|error| error.kind() != Kind::Retry) {
            clients = None;
        }
        // Who went away needs no answer.
        let _ = question.answer.send(answer.map_err(Failure::from));
    }
}

fn look(
    kafka: &Settings,
    changelog: &Arc<str>,
    question: &Question,
    clients: &mut Option<(Lookup, StableEnd)>,
    seen: &mut HashMap<i32, Seen>,
) -> Result<i64, Error> {
    let (lookup, stable) = match clients {
        Some(clients) => clients,
        None => clients.insert((Lookup::open(kafka)?, StableEnd::open(kafka)?)),
    };
    let at = TopicPartition::new(changelog.clone(), question.partition);
    let high = lookup.high_watermark(&at, CALL)?;
    let before = seen.get(&question.partition).copied().filter(|seen| seen.high <= high);
    if question.applied >= high {
        return Ok(question.applied);
    }
    if let Some(seen) = before.filter(|seen| seen.high == high) {
        return Ok(seen.last);
    }
    // What lies before the end that was seen need not be read again.
    let from = before.map_or(question.applied, |seen| seen.high.max(question.applied));
    let (end, last) = stable.read(&at, from, CALL)?;
    let last = if last == from {
        before.map_or(question.applied, |seen| seen.last)
    } else {
        last
    };
    if end == high {
        seen.insert(question.partition, Seen { high, last });
    }
    Ok(last)
}
