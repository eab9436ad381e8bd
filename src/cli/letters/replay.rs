//! `replay`: sends letters back, or with `--dry-run` says what it would. Tells what went where, what stayed and why.

use super::lookup;
use crate::cli::output::Out;
use crate::cli::progress::Bar;
use crate::config::Config;
use crate::contract::uuid5;
use crate::failure::{Exit, Failure};
use crate::letters::filter::Filter;
use crate::letters::replay::{self, Replay, Summary};
use crate::letters::returning::Order;
use crate::letters::{Shelf, scan};
use crate::shutdown::Shutdown;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Say what would go back, and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Stop after so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// Send at most so many a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// What is to go back.
pub struct Asked {
    pub shelf: Shelf,
    pub filter: Filter,
    pub force: bool,
    /// The filters as they were written.
    pub words: Vec<String>,
}

pub fn run(config: &Config, asked: Asked, args: &ReplayArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    drop(lookup(config)?);
    let place = place(&config.kafka.group_id, asked.shelf, &asked.words);
    let order = Order {
        shelf: asked.shelf,
        filter: asked.filter,
        force: asked.force,
    };
    let replay = Replay {
        order: &order,
        topics: &config.topics,
        place,
        max: args.max,
        rate: args.rate,
    };
    let kafka = config.kafka_settings(None);
    let bar = Bar::new("reading", scan::length(&replay::left(&kafka, &replay)?));
    let mut passed = |count| bar.pass(count);
    let summary = if args.dry_run {
        replay::rehearse(&kafka, &replay, &mut passed)?
    } else {
        let runtime = runtime()?;
        let _entered = runtime.enter();
        let shutdown = Shutdown::on_signals().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        replay::run(&kafka, &replay, &|| shutdown.is_wished(), &mut passed)?
    };
    drop(bar);
    if out.is_json() {
        return out.json(&as_json(&summary, &replay, args.dry_run));
    }
    tell(&summary, &replay, args.dry_run, out)
}

/// The same words give the same name: that of the group and of the transactional id.
fn place(group: &str, shelf: Shelf, words: &[String]) -> String {
    let name = format!("{group}-{}-replay", shelf.topic().default_name());
    if words.is_empty() {
        return name;
    }
    let hash = uuid5(&Uuid::NAMESPACE_OID, &[words.join("\n").as_bytes()]);
    let hash = hash.simple().to_string();
    format!("{name}-{}", hash.get(..12).unwrap_or(&hash))
}

/// Its thread listens for signals; the replay itself blocks this one.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Internal, error.to_string()))
}

fn tell(summary: &Summary, replay: &Replay<'_>, is_dry: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let (went, stayed) = if is_dry {
        ("would go back", "would stay")
    } else {
        ("went back", "stayed")
    };
    let by_topic: Vec<String> = summary
        .returned
        .iter()
        .map(|(topic, count)| format!("{count} to {topic}"))
        .collect();
    match summary.count() {
        0 => out.line(&format!("None {went}."))?,
        count => out.line(&format!("{count} {went}: {}.", by_topic.join(", ")))?,
    }
    for (why, count) in &summary.skipped {
        out.line(&format!("{count} {stayed}, {}: {}.", why.word(), why.sentence()))?;
    }
    if summary.others > 0 {
        out.line(&format!("{} were not asked for.", summary.others))?;
    }
    match (summary.is_done, is_dry) {
        (true, true) => out.line("Nothing else is left."),
        (true, false) => out.line(&format!(
            "Nothing is left. The place is kept in the group {}.",
            replay.place
        )),
        (false, true) => out.line("More is left."),
        (false, false) => out.line(&format!(
            "More is left: the same command goes on from there (its place is kept in the group {}).",
            replay.place
        )),
    }
}

fn as_json(summary: &Summary, replay: &Replay<'_>, is_dry: bool) -> Value {
    let skipped: BTreeMap<&str, u64> = summary
        .skipped
        .iter()
        .map(|(why, count)| (why.word(), *count))
        .collect();
    json!({
        "dry_run": is_dry, "returned": summary.count(), "topics": summary.returned, "skipped": skipped,
        "not_asked_for": summary.others, "done": summary.is_done, "group": replay.place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_filters_keep_the_same_place_and_others_another() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
        let dead = |words: &[String]| place("router", Shelf::DeadLetters, words);
        assert_eq!(dead(&[]), "router-dead-letters-replay");
        assert_ne!(dead(&[]), place("router", Shelf::Unrouted, &[]));
        let phones = words(&["reason=BAD_PHONE"]);
        assert_eq!(dead(&phones), dead(&phones));
        assert_ne!(dead(&phones), dead(&words(&["reason=NOT_JSON"])));
        assert!(dead(&phones).starts_with("router-dead-letters-replay-"));
    }
}
