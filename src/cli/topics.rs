//! `topics plan` and `topics apply`: what the topics must be, what they are, and the making of those that are missing.
//! Nothing that exists is changed.

use super::output::Out;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::kafka::admin::{Admin, ExistingTopic};
use crate::kafka::topics::{self, Difference, Severity, TABLE, wanted_settings};
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router topics plan
  chatroom-router topics apply
  CHATROOM_ROUTER_TOPICS__PREFIX=staging. CHATROOM_ROUTER_TOPICS__PARTITIONS=8 chatroom-router topics plan

Exit code 65: the topics are there and can't keep the router's promise; the sentence says what to change.";

const PLAN_EXAMPLES: &str = "\
Examples:
  chatroom-router topics plan
  chatroom-router topics plan --output json
  CHATROOM_ROUTER_TOPICS__PREFIX=staging. chatroom-router topics plan

Exit code 65: the topics are there and can't keep the router's promise; the sentence says what to change.";

const APPLY_EXAMPLES: &str = "\
Examples:
  chatroom-router topics apply
  chatroom-router topics apply --output json
  CHATROOM_ROUTER_TOPICS__PARTITIONS=8 CHATROOM_ROUTER_TOPICS__REPLICATION_FACTOR=3 chatroom-router topics apply

What is there stays as it is. Exit code 65: it can't keep the router's promise, and nothing was created.";

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Show all topics, and what differs from what the router needs.
    #[command(after_help = PLAN_EXAMPLES)]
    Plan,
    /// Create the topics that are missing.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply,
}

/// A cluster that does not answer within this time cannot be reached.
const DEADLINE: Duration = Duration::from_secs(20);

/// The settings that an operator wants to see of each topic.
const SHOWN: [&str; 5] = [
    "cleanup.policy",
    "retention.ms",
    "message.timestamp.type",
    "max.message.bytes",
    "min.insync.replicas",
];

pub fn run(config: &Config, command: TopicsCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut admin = Admin::open(&config.kafka_settings(None))?;
    admin
        .reach(DEADLINE)
        .map_err(|error| Failure::kafka_away(config, &error))?;
    let names = config.topic_names();
    let existing = admin.describe(&names.all(), DEADLINE)?;
    let differences = topics::plan(&names, &config.topic_sizing(), &existing);
    match command {
        TopicsCommand::Plan => {
            let rows = rows(config, &existing, &differences);
            show(&rows, &differences, out)?;
            refused(&differences)
        }
        TopicsCommand::Apply => {
            refused(&differences)?;
            let created = topics::apply(&mut admin, &differences, DEADLINE)?;
            told(&created, out)
        }
    }
}

/// One topic as it is, or as it is to be.
struct Row {
    topic: String,
    state: &'static str,
    partitions: i32,
    settings: [String; SHOWN.len()],
}

fn rows(config: &Config, existing: &BTreeMap<String, ExistingTopic>, differences: &[Difference]) -> Vec<Row> {
    let names = config.topic_names();
    let row = |row: &topics::TopicRow| {
        let topic = names.name(row.key);
        let own: Vec<&Difference> = differences
            .iter()
            .filter(|difference| difference.topic == topic)
            .collect();
        let created = own.iter().find_map(|difference| match &difference.severity {
            Severity::Create(new) => Some(new),
            _ => None,
        });
        let is_refused = own
            .iter()
            .any(|difference| matches!(difference.severity, Severity::Refuse { .. }));
        let state = match (existing.get(&topic), created) {
            (Some(_), _) if is_refused => "refused",
            (Some(_), _) if own.is_empty() => "fine",
            (Some(_), _) => "works",
            (None, _) => "missing",
        };
        let sizing = config.topic_sizing();
        let found = existing.get(&topic);
        let settings = found.map_or_else(|| wanted_settings(row, &sizing), |found| found.settings.clone());
        let partitions = found
            .map(|found| found.partitions)
            .or(created.map(|new| new.partitions));
        Row {
            topic,
            state,
            partitions: partitions.unwrap_or(sizing.partitions),
            settings: SHOWN.map(|name| settings.get(name).cloned().unwrap_or_default()),
        }
    };
    TABLE.iter().map(row).collect()
}

fn show(rows: &[Row], differences: &[Difference], out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        let topics: Vec<Value> = rows.iter().map(topic_json).collect();
        let differences: Vec<Value> = differences.iter().map(difference_json).collect();
        return out.json(&json!({"topics": topics, "differences": differences}));
    }
    let head = [
        "topic",
        "state",
        "partitions",
        SHOWN[0],
        SHOWN[1],
        SHOWN[2],
        SHOWN[3],
        SHOWN[4],
    ];
    let cells = rows.iter().map(|row| {
        let [cleanup, retention, timestamp, bytes, replicas] = row.settings.clone();
        let (topic, state, partitions) = (row.topic.clone(), row.state.to_owned(), row.partitions.to_string());
        [topic, state, partitions, cleanup, retention, timestamp, bytes, replicas]
    });
    out.table(head, cells.collect())?;
    let spoken = |difference: &&Difference| !matches!(difference.severity, Severity::Create(_));
    for difference in differences.iter().filter(spoken) {
        out.line(&difference.to_string())?;
    }
    let missing = rows.iter().filter(|row| row.state == "missing").count();
    if missing > 0 {
        out.line(&format!(
            "{missing} are missing: `chatroom-router topics apply` creates them."
        ))?;
    }
    Ok(())
}

fn topic_json(row: &Row) -> Value {
    let settings: serde_json::Map<String, Value> = SHOWN
        .iter()
        .zip(&row.settings)
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({"topic": row.topic, "state": row.state, "partitions": row.partitions, "settings": settings})
}

fn difference_json(difference: &Difference) -> Value {
    let (severity, why, instead) = match &difference.severity {
        Severity::Create(_) => ("create", None, None),
        Severity::Refuse { why, instead } => ("refuse", Some(why), Some(instead)),
        Severity::Note { why } => ("note", Some(why), None),
    };
    json!({
        "topic": difference.topic, "setting": difference.setting, "is": difference.is, "wanted": difference.wanted,
        "severity": severity, "why": why, "instead": instead,
    })
}

fn told(created: &[String], out: &mut Out<'_>) -> Result<(), Failure> {
    match created {
        _ if out.is_json() => out.json(&json!({"created": created})),
        [] => out.line("All topics are there."),
        created => out.line(&format!("Created {}.", created.join(", "))),
    }
}

/// With these the router would not start.
fn refused(differences: &[Difference]) -> Result<(), Failure> {
    let refused: Vec<String> = differences
        .iter()
        .filter(|difference| matches!(difference.severity, Severity::Refuse { .. }))
        .map(ToString::to_string)
        .collect();
    match refused.as_slice() {
        [] => Ok(()),
        refused => Err(Failure::new(
            Exit::BadData,
            format!(
                "the topics can't keep the router's promise:\n  {}",
                refused.join("\n  ")
            ),
        )),
    }
}
