//! Plays the script over the real topics: what somebody does is produced, what follows is read, and each output belongs to
//! the step whose trace id it carries. A timer's outputs carry none: they belong to the step that is under way.

use super::outcome::{OUTPUTS, Outcome, Rooms, header};
use super::step::{Made, Step};
use crate::cli::now;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::kafka::{Feed, NewRecord, Record, Tail};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const CALL: Duration = Duration::from_secs(5);
/// All that follows from a step is there by then, or never comes.
const PATIENCE: Duration = Duration::from_secs(20);
const WAIT: Duration = Duration::from_millis(20);
/// What should not follow has this long to show at the end.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// A step, what was produced for it, and what followed.
pub struct Played {
    pub number: usize,
    pub step: Step,
    pub made: Vec<Made>,
    pub seen: Vec<Seen>,
}

pub struct Seen {
    pub outcome: Outcome,
    pub record: Record,
}

/// How the playing ended, if nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Played,
    /// The end of all was wished for before.
    Stopped,
}

/// Shows a step that went as it should, or not.
pub type Show<'a> = dyn FnMut(&Played) -> Result<(), Failure> + 'a;

pub struct Stage {
    config: Arc<Config>,
    feed: Feed,
    tail: Tail,
    rooms: Rooms,
    played: Vec<Played>,
    /// The place of the step that each trace belongs to.
    traces: HashMap<String, usize>,
}

impl Stage {
    pub fn open(config: Arc<Config>) -> Result<Self, Failure> {
        let settings = config.kafka_settings(None);
        let topics = OUTPUTS.map(|kind| config.topics.name(kind).clone());
        Ok(Self {
            feed: Feed::open(&settings)?,
            tail: Tail::open(&settings, &topics, CALL)?,
            config,
            rooms: Rooms::default(),
            played: Vec::new(),
            traces: HashMap::new(),
        })
    }

    /// Plays it to its end, or to the first step that goes elsewhere.
    pub fn play(
        &mut self,
        story: Vec<Step>,
        show: &mut Show<'_>,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Ended, Failure> {
        let mut shown = 0;
        for step in story {
            let is_silent = step.expected.is_empty();
            self.act(step)?;
            if is_silent {
                // The next step shows whether nothing followed.
                continue;
            }
            if self.await_last(stopped)? == Ended::Stopped {
                return Ok(Ended::Stopped);
            }
            for played in &self.played[shown..] {
                show(played)?;
                played.check()?;
            }
            shown = self.played.len();
        }
        let until = Instant::now() + AFTERWARDS;
        while Instant::now() < until && !stopped() {
            self.read()?;
        }
        self.played.iter().try_for_each(Played::check)?;
        Ok(Ended::Played)
    }

    /// Produces what somebody does.
    fn act(&mut self, step: Step) -> Result<(), Failure> {
        let number = self.played.len() + 1;
        let mut made = Vec::new();
        let mut records = Vec::new();
        for (place, input) in step.inputs.iter().enumerate() {
            let request = format!("demo-{number}-{place}");
            let input = input.made(&request, &self.rooms, now());
            let input =
                input.ok_or_else(|| Failure::new(Exit::BadData, step.sentence(number, "has no chatroom to go to")))?;
            let trace = Uuid::new_v4().simple().to_string();
            records.push(self.record(&input, &trace));
            self.traces.insert(trace, number - 1);
            made.push(input);
        }
        self.played.push(Played {
            number,
            step,
            made,
            seen: Vec::new(),
        });
        self.feed.send(&records, CALL)?;
        Ok(())
    }

    fn record(&self, made: &Made, trace: &str) -> NewRecord {
        let parent = format!("00-{trace}-{}-01", &trace[..16]);
        NewRecord {
            topic: self.config.topics.name(made.topic).clone(),
            partition: None,
            key: Some(made.key.clone().into_bytes()),
            value: Some(made.value.clone()),
            headers: vec![("traceparent".into(), Some(parent.into_bytes().into()))],
            timestamp: None,
        }
    }

    /// Reads until as much has followed from the last step as should, or nothing more is to be hoped for.
    fn await_last(&mut self, stopped: &dyn Fn() -> bool) -> Result<Ended, Failure> {
        let until = Instant::now() + PATIENCE;
        while self.played.last().is_some_and(Played::lacks) && Instant::now() < until {
            if stopped() {
                return Ok(Ended::Stopped);
            }
            self.read()?;
        }
        Ok(Ended::Played)
    }

    fn read(&mut self) -> Result<(), Failure> {
        let Some(record) = self.tail.next(WAIT)? else {
            return Ok(());
        };
        let Some(outcome) = self.rooms.read(&record, &self.config.topics) else {
            let sentence = format!(
                "{} holds no output as the contracts have them: report it, the fault is ours",
                record.at
            );
            return Err(Failure::new(Exit::BadData, sentence));
        };
        let trace = header(&record, "traceparent");
        let known = trace
            .as_deref()
            .and_then(|parent| self.traces.get(parent.split('-').nth(1)?));
        let place = known.copied().unwrap_or(self.played.len().saturating_sub(1));
        if let Some(played) = self.played.get_mut(place) {
            played.seen.push(Seen { outcome, record });
            played.seen.sort_by(|one, other| one.outcome.cmp(&other.outcome));
        }
        Ok(())
    }
}

impl Step {
    fn sentence(&self, number: usize, what: &str) -> String {
        format!("step {number} ({}: {}) {what}", self.who, self.does)
    }
}

impl Played {
    fn lacks(&self) -> bool {
        self.seen.len() < self.step.expected.len()
    }

    /// Whether what followed is what has to follow, no more and no less. The error names the step.
    pub fn check(&self) -> Result<(), Failure> {
        let mut surplus: Vec<&Outcome> = self.seen.iter().map(|seen| &seen.outcome).collect();
        let mut missing = Vec::new();
        for expected in &self.step.expected {
            match surplus.iter().position(|seen| *seen == expected) {
                Some(place) => _ = surplus.remove(place),
                None => missing.push(expected),
            }
        }
        if surplus.is_empty() && missing.is_empty() {
            return Ok(());
        }
        let what = match (missing.as_slice(), surplus.as_slice()) {
            (missing, []) => format!("did not lead to {}", list(missing)),
            ([], surplus) => format!("led to {} too", list(surplus)),
            (missing, surplus) => format!("led to {} in place of {}", list(surplus), list(missing)),
        };
        let next = "the router did not do what its rules say: report it, the fault is ours";
        let sentence = format!("{}: {next}", self.step.sentence(self.number, &what));
        Err(Failure::new(Exit::BadData, sentence))
    }
}

fn list(outcomes: &[&Outcome]) -> String {
    let words: Vec<String> = outcomes.iter().map(|outcome| format!("[{outcome}]")).collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{refused, routed};
    use super::*;
    use crate::kafka::{Position, TimestampKind};

    fn played(expected: Vec<Outcome>, seen: Vec<Outcome>) -> Played {
        let record = Record {
            at: Position {
                topic: "routed-messages".into(),
                partition: 0,
                offset: 0,
            },
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: None,
            timestamp_kind: TimestampKind::Create,
        };
        let seen = seen.into_iter().map(|outcome| Seen {
            outcome,
            record: record.clone(),
        });
        Played {
            number: 3,
            step: Step {
                who: "Asha",
                does: "writes".to_owned(),
                inputs: Vec::new(),
                expected,
                rule: "I1",
                why: "",
            },
            made: Vec::new(),
            seen: seen.collect(),
        }
    }

    #[test]
    fn a_step_that_goes_elsewhere_is_named_with_what_happened_in_its_place() {
        let (here, there) = (routed("Asha Rao", "ACTIVE", "I1"), routed("Ravi Rao", "ACTIVE", "I1"));
        let refusal = refused("outbound.send", "CHATROOM_EXPIRED");
        let rows = [
            (vec![here.clone()], vec![here.clone()], None),
            (vec![], vec![], None),
            (
                vec![here.clone(), refusal.clone()],
                vec![refusal.clone(), here.clone()],
                None,
            ),
            (
                vec![here.clone()],
                vec![],
                Some("did not lead to [→ chatroom “Asha Rao”]"),
            ),
            (vec![], vec![here.clone()], Some("led to [→ chatroom “Asha Rao”] too")),
            (
                vec![here.clone()],
                vec![here.clone(), here.clone()],
                Some("led to [→ chatroom “Asha Rao”] too"),
            ),
            (
                vec![here.clone()],
                vec![there],
                Some("led to [→ chatroom “Ravi Rao”] in place of [→ chatroom “Asha Rao”]"),
            ),
            (
                vec![here, refusal],
                vec![routed("Asha Rao", "ACTIVE", "I2")],
                Some("in place of [→ chatroom “Asha Rao”] and [outbound.send REFUSED: CHATROOM_EXPIRED]"),
            ),
        ];
        for (expected, seen, fault) in rows {
            let checked = played(expected, seen).check();
            match (checked, fault) {
                (Ok(()), None) => {}
                (Err(failure), Some(fault)) => {
                    assert_eq!(failure.exit, Exit::BadData);
                    assert!(failure.sentence.starts_with("step 3 (Asha: writes) "), "{failure}");
                    assert!(failure.sentence.contains(fault), "{failure}");
                }
                (checked, fault) => panic!("{checked:?} where {fault:?} was to be said"),
            }
        }
    }
}
