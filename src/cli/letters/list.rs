//! `list`: how many letters there are by reason, then the latest. Prints no value and no key.

use super::{lookup, plain};
use crate::cli::output::Out;
use crate::cli::progress::Bar;
use crate::config::{Config, Topics};
use crate::contract::instant;
use crate::failure::Failure;
use crate::letters::filter::Filter;
use crate::letters::scan;
use crate::letters::{Letter, Shelf};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;

#[derive(Debug, Args)]
pub struct ListArgs {
    /// How many of the latest to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// How many there are, by reason and, of dead letters, by topic.
#[derive(Default)]
struct Histogram {
    total: u64,
    counts: BTreeMap<(String, String), u64>,
}

/// Ordered with the earliest as the greatest, to be the first to go.
struct Latest(Letter);

pub fn run(
    config: &Config,
    (shelf, filter): (Shelf, Filter),
    args: &ListArgs,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let topic = config.topics.name(shelf.topic());
    let since = filter.since.map(|since| since.0);
    let spans = scan::spans(&mut lookup(config)?, topic, since)?;
    let bar = Bar::new("reading", scan::length(&spans));
    let mut histogram = Histogram::default();
    let mut latest = BinaryHeap::new();
    let kafka = config.kafka_settings(None);
    scan::read(&kafka, &spans, &mut |count| bar.pass(count), &mut |record| {
        let Some(kept) = shelf.read(&record, &config.topics) else {
            return ControlFlow::Continue(());
        };
        let letter = Letter { kept, record };
        if filter.takes(&letter.kept, letter.at(), &config.topics) {
            histogram.count(&letter, &config.topics);
            latest.push(Latest(letter));
            if latest.len() > args.limit {
                latest.pop();
            }
        }
        ControlFlow::Continue(())
    })?;
    drop(bar);
    // Sorted from the least on, and the latest is the least.
    let latest: Vec<Letter> = latest.into_sorted_vec().into_iter().map(|latest| latest.0).collect();
    if out.is_json() {
        out.json_line(&histogram.as_json(&filter))?;
        return latest.iter().try_for_each(|letter| out.json_line(&as_json(letter)));
    }
    histogram.show(shelf, &filter, out)?;
    show(shelf, &latest, out)
}

impl Histogram {
    fn count(&mut self, letter: &Letter, topics: &Topics) {
        let first = letter.kept.first.as_ref();
        let known = first.map(|first| {
            topics
                .kind(&first.topic)
                .map_or(&*first.topic, |kind| kind.default_name())
        });
        let key = (letter.kept.reason.clone(), known.unwrap_or_default().to_owned());
        *self.counts.entry(key).or_default() += 1;
        self.total += 1;
    }

    /// The most frequent first.
    fn sorted(&self) -> Vec<(&(String, String), u64)> {
        let mut counts: Vec<_> = self.counts.iter().map(|(key, count)| (key, *count)).collect();
        counts.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        counts
    }

    fn as_json(&self, filter: &Filter) -> Value {
        let count = |((reason, topic), count): (&(String, String), u64)| json!({"reason": reason, "topic": (!topic.is_empty()).then_some(topic), "count": count});
        json!({
            "kind": "histogram", "total": self.total, "since": filter.since.map(instant::format),
            "reasons": self.sorted().into_iter().map(count).collect::<Vec<_>>(),
        })
    }

    fn show(&self, shelf: Shelf, filter: &Filter, out: &mut Out<'_>) -> Result<(), Failure> {
        let since = filter.since.map(instant::format).unwrap_or_default();
        let what = match shelf {
            Shelf::DeadLetters => "dead letters",
            Shelf::Unrouted => "unrouted messages",
        };
        if self.total == 0 {
            return out.line(&format!("No {what} since {since}."));
        }
        out.line(&format!("{} {what} since {since}:", self.total))?;
        let sorted = self.sorted().into_iter();
        match shelf {
            Shelf::DeadLetters => {
                let row = |((reason, topic), count): (&(String, String), u64)| {
                    [count.to_string(), plain(reason), plain(topic)]
                };
                out.table(["how many", "reason", "from"], sorted.map(row).collect())
            }
            Shelf::Unrouted => {
                let row = |((reason, _), count): (&(String, String), u64)| [count.to_string(), plain(reason)];
                out.table(["how many", "reason"], sorted.map(row).collect())
            }
        }
    }
}

fn show(shelf: Shelf, latest: &[Letter], out: &mut Out<'_>) -> Result<(), Failure> {
    if latest.is_empty() {
        return Ok(());
    }
    let start = |letter: &Letter| {
        let kept = &letter.kept;
        let at = letter.at().map(instant::format).unwrap_or_default();
        let org = kept.org.as_ref().map(ToString::to_string).unwrap_or_default();
        (place(letter), at, plain(&kept.reason), org)
    };
    match shelf {
        Shelf::DeadLetters => {
            let row = |letter: &Letter| {
                let (place, at, reason, org) = start(letter);
                let detail = letter.kept.detail.as_deref().map(plain).unwrap_or_default();
                [place, at, reason, from(letter), org, detail]
            };
            let head = ["letter", "put aside", "reason", "came from", "org", "why"];
            out.table(head, latest.iter().map(row).collect())
        }
        Shelf::Unrouted => {
            let row = |letter: &Letter| {
                let (place, at, reason, org) = start(letter);
                [place, at, reason, org, plain(&letter.kept.crm_ids.join(", "))]
            };
            out.table(
                ["message", "put aside", "reason", "org", "contacts"],
                latest.iter().map(row).collect(),
            )
        }
    }
}

fn place(letter: &Letter) -> String {
    format!("{}:{}", letter.record.at.partition, letter.record.at.offset)
}

fn from(letter: &Letter) -> String {
    let first = letter.kept.first.as_ref();
    let place = first.map(|first| format!("{}:{}:{}", first.topic, first.partition, first.offset));
    place.as_deref().map(plain).unwrap_or_default()
}

/// What is known of a letter beside its bytes.
pub(super) fn as_json(letter: &Letter) -> Value {
    let kept = &letter.kept;
    let first = kept.first.as_ref().map(|first| {
        json!({
            "topic": first.topic, "partition": first.partition, "offset": first.offset,
            "timestamp": first.timestamp.map(instant::format),
        })
    });
    json!({
        "kind": "letter", "topic": &*letter.record.at.topic, "partition": letter.record.at.partition,
        "offset": letter.record.at.offset, "put_aside_at": letter.at().map(instant::format),
        "reason": kept.reason, "detail": kept.detail, "from": first, "org_id": kept.org.as_ref().map(|org| org.as_str()),
        "crm_ids": kept.crm_ids, "truncated": kept.truncated, "replays": kept.replays,
    })
}

impl Latest {
    fn order(&self) -> (Option<i64>, i32, i64) {
        (
            self.0.record.timestamp,
            self.0.record.at.partition,
            self.0.record.at.offset,
        )
    }
}

impl PartialEq for Latest {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Latest {}

impl PartialOrd for Latest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Latest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.order().cmp(&self.order())
    }
}
