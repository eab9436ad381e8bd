//! `positions show|accept`: from where each input of a partition goes on, and which of two that contradict each other is right.

use super::output::Out;
use crate::config::Config;
use crate::failure::Failure;
use crate::upkeep::Upkeep;
use crate::upkeep::positions::{Place, Places, Source};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router positions show
  chatroom-router positions show --partition 3
  chatroom-router positions accept changelog --partition 3
  chatroom-router positions accept log --partition 3

A partition whose positions contradict each other stands still, and its log line says what each way out may lose. What is
accepted is written to the changelog and the group in one transaction; the router then goes on within seconds.";

const SHOW_EXAMPLES: &str = "\
Examples:
  chatroom-router positions show
  chatroom-router positions show --partition 3 --output json";

const ACCEPT_EXAMPLES: &str = "\
Examples:
  chatroom-router positions accept changelog --partition 3
  chatroom-router positions accept group --partition 3
  chatroom-router positions accept log --partition 0 --partition 3

Of a partition whose positions do not contradict each other nothing is changed.";

#[derive(Debug, Subcommand)]
pub enum PositionsCommand {
    /// Show what the group has committed, what the changelog says, and what the logs hold.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Only this partition; may be given again. Without it, all.
        #[arg(long = "partition", value_name = "N")]
        partitions: Vec<i32>,
    },
    /// Say whose positions hold from now on, for a partition that stands still.
    #[command(after_help = ACCEPT_EXAMPLES)]
    Accept(AcceptArgs),
}

#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// Whose positions.
    pub source: Holder,
    /// The partition that stands still; may be given again.
    #[arg(long = "partition", value_name = "N", required = true)]
    pub partitions: Vec<i32>,
}

/// Whose positions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Holder {
    /// The changelog's progress record: nothing is lost, and nothing judged twice.
    Changelog,
    /// The group's committed offsets: what lies between is skipped, or judged again.
    Group,
    /// As they are, but where records are gone, the first that is still there; and of the changelog and the settings what is, and
    /// can be read.
    Log,
}

impl From<Holder> for Source {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Changelog => Self::Changelog,
            Holder::Group => Self::Group,
            Holder::Log => Self::Log,
        }
    }
}

pub fn run(config: &Config, command: &PositionsCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut upkeep = Upkeep::open(config)?;
    match command {
        PositionsCommand::Show { partitions } => {
            let chosen = upkeep.chosen(partitions)?;
            let found: Result<Vec<Places>, Failure> = chosen.into_iter().map(|number| upkeep.places(number)).collect();
            show(&found?, out)
        }
        PositionsCommand::Accept(args) => {
            let mut accepted = Vec::new();
            let mut fine = Vec::new();
            for partition in upkeep.chosen(&args.partitions)? {
                match upkeep.accept(partition, args.source.into())? {
                    Some(places) => accepted.push(places),
                    None => fine.push(partition),
                }
            }
            told(&accepted, &fine, out)
        }
    }
}

fn show(found: &[Places], out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(&json!({"partitions": found.iter().map(as_json).collect::<Vec<_>>()}));
    }
    let number = |offset: Option<i64>| offset.map(|offset| offset.to_string()).unwrap_or_default();
    let row = |partition: i32, place: &Place| {
        [
            partition.to_string(),
            place.at.to_string(),
            number(place.committed),
            number(place.progress),
            place.first.to_string(),
            place.end.to_string(),
        ]
    };
    let rows = found
        .iter()
        .flat_map(|one| one.places.iter().map(|place| row(one.partition, place)));
    let head = ["partition", "input", "group", "changelog", "log begins", "log ends"];
    out.table(head, rows.collect())?;
    for one in found {
        if let Some(why) = &one.stopped {
            out.line(&format!("Partition {} can't go on: {why}", one.partition))?;
        }
    }
    Ok(())
}

fn as_json(found: &Places) -> Value {
    let place = |place: &Place| {
        json!({
            "topic": &*place.at.topic, "partition": place.at.partition, "group": place.committed,
            "changelog": place.progress, "log_begins": place.first, "log_ends": place.end,
        })
    };
    json!({
        "partition": found.partition, "stopped": found.stopped,
        "inputs": found.places.iter().map(place).collect::<Vec<_>>(),
    })
}

fn told(accepted: &[Places], fine: &[i32], out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        let accepted: Vec<Value> = accepted.iter().map(as_json).collect();
        return out.json(&json!({"accepted": accepted, "unchanged": fine}));
    }
    if !accepted.is_empty() {
        show(accepted, out)?;
    }
    fine.iter().try_for_each(|partition| {
        out.line(&format!(
            "The positions of partition {partition} do not contradict each other: nothing was changed."
        ))
    })
}
