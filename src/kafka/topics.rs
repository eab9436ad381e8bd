//! The topics that we want, as one table, and what the cluster's topics lack against it. Pure but for [`apply`], which
//! creates what is missing and changes nothing that exists.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Error;
use super::admin::{Admin, ExistingTopic, TopicToCreate};
use super::client_config::RECORD_OVERHEAD_BYTES;

pub use super::topic_table::{Role, TABLE, TopicRow};

/// The largest number of partitions of `router-commands` and `router-changelog`.
pub const MOST_TASKS: i32 = 256;

/// What users call the topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicNames {
    /// Stands before every name.
    pub prefix: String,
    /// By [`TopicRow::key`]; others keep their default name.
    pub overrides: BTreeMap<String, String>,
}

impl TopicNames {
    /// The full name of a topic of [`TABLE`] by its key.
    pub fn name(&self, key: &str) -> String {
        let default = TABLE.iter().find(|row| row.key == key).map_or(key, |row| row.name);
        format!(
            "{}{}",
            self.prefix,
            self.overrides.get(key).map_or(default, String::as_str)
        )
    }

    pub fn all(&self) -> Vec<String> {
        TABLE.iter().map(|row| self.name(row.key)).collect()
    }
}

/// The numbers that the table leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// `topics.partitions`: what is created has so many; what exists keeps its own.
    pub partitions: i32,
    /// `topics.replication_factor`; `None`: the brokers'.
    pub replicas: Option<i32>,
    /// `limits.record_bytes`.
    pub record_bytes: usize,
}

impl Sizing {
    /// The least `max.message.bytes` of a topic that we write to.
    pub fn message_bytes(&self) -> usize {
        self.record_bytes + RECORD_OVERHEAD_BYTES
    }
}

/// How grave a difference is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does not exist; `topics apply` creates it.
    Create(TopicToCreate),
    /// The program can't keep its promise with it, and does not start.
    Refuse { why: String, instead: String },
    /// It works; somebody should know.
    Note { why: String },
}

/// One way in which a topic is not what the table wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub topic: String,
    /// A topic setting, `partitions` or `replicas`; `topic` for one that is missing.
    pub setting: String,
    pub is: String,
    pub wanted: String,
    pub severity: Severity,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            setting,
            is,
            wanted,
            severity,
        } = self;
        match severity {
            Severity::Create(new) => write!(
                f,
                "{topic} does not exist; to be created with {} partitions",
                new.partitions
            ),
            Severity::Refuse { why, instead } => {
                write!(f, "{topic}: {setting} is {is}, not {wanted}: {why}; {instead}")
            }
            Severity::Note { why } => write!(f, "{topic}: {setting} is {is}, not {wanted}: {why}"),
        }
    }
}

/// What a setting of a topic must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Created with this; any other value will do as well.
    Start(&'static str),
    /// Exactly this. Another: refused, since.
    Must(&'static str, &'static str),
    /// A number, at least this one; −1 is without bound. Less: refused, since.
    AtLeast(&'static str, &'static str),
    /// This. Another is noted, since.
    Should(&'static str, &'static str),
    /// A number, at least this one. Less is noted, since.
    ShouldReach(&'static str, &'static str),
    /// At least the largest record that we write.
    FitsRecords,
    /// Created large enough for records; may be smaller.
    StartsFitting,
}

/// The differences between the table and what exists, in the table's order.
pub fn plan(names: &TopicNames, sizing: &Sizing, existing: &BTreeMap<String, ExistingTopic>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let tasks = tasks(names, sizing, existing, &mut differences);
    for row in TABLE {
        let topic = names.name(row.key);
        match existing.get(&topic) {
            None => differences.extend(missing(row, topic, tasks, sizing)),
            Some(found) => compare(row, &topic, found, sizing, &mut differences),
        }
    }
    differences
}

/// The settings that `row`'s topic is created with.
pub fn wanted_settings(row: &TopicRow, sizing: &Sizing) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = row
        .settings
        .iter()
        .map(|(name, rule)| ((*name).to_owned(), rule.wanted(sizing)))
        .collect();
    if sizing.replicas.is_some_and(|replicas| replicas >= 3) {
        settings.insert("min.insync.replicas".into(), "2".into());
    }
    settings
}

/// Creates what the plan says is missing. Changes nothing that exists. Returns the names of what it created.
pub fn apply(admin: &mut Admin, differences: &[Difference], timeout: Duration) -> Result<Vec<String>, Error> {
    let missing: Vec<TopicToCreate> = differences
        .iter()
        .filter_map(|difference| match &difference.severity {
            Severity::Create(topic) => Some(topic.clone()),
            _ => None,
        })
        .collect();
    if !missing.is_empty() {
        admin.create(&missing, timeout)?;
    }
    Ok(missing.into_iter().map(|topic| topic.name).collect())
}

/// The number of tasks: that of the changelog where there is one, else of the commands, else as configured. What can't work
/// is added to the differences, and then nothing of ours is created.
fn tasks(
    names: &TopicNames,
    sizing: &Sizing,
    existing: &BTreeMap<String, ExistingTopic>,
    differences: &mut Vec<Difference>,
) -> Option<i32> {
    let (changelog, commands) = (names.name("router_changelog"), names.name("router_commands"));
    let count = |topic: &String| existing.get(topic).map(|found| found.partitions);
    let tasks = count(&changelog).or(count(&commands)).unwrap_or(sizing.partitions);
    let mut refuse = |topic: &str, is: i32, wanted: String, why: &str, instead: String| {
        let severity = Severity::Refuse {
            why: why.into(),
            instead,
        };
        let (topic, setting) = (topic.to_owned(), "partitions".to_owned());
        differences.push(Difference {
            topic,
            setting,
            is: is.to_string(),
            wanted,
            severity,
        });
    };
    if !(1..=MOST_TASKS).contains(&tasks) || tasks.count_ones() != 1 {
        let why = "a home must stay the same when the number doubles";
        let instead = if count(&changelog).or(count(&commands)).is_some() {
            "use other topics (topics.prefix), with a power of two".to_owned()
        } else {
            "set topics.partitions to a power of two".to_owned()
        };
        refuse(
            &changelog,
            tasks,
            format!("a power of two up to {MOST_TASKS}"),
            why,
            instead,
        );
        return None;
    }
    if let (Some(log), Some(passed)) = (count(&changelog), count(&commands))
        && log != passed
    {
        let why = "a task owns one partition of each, under one number";
        let instead = format!("use a {commands} of {log} partitions: create it anew once it is empty");
        refuse(&commands, passed, log.to_string(), why, instead);
        return None;
    }
    Some(tasks)
}

fn missing(row: &TopicRow, topic: String, tasks: Option<i32>, sizing: &Sizing) -> Option<Difference> {
    let partitions = match row.role {
        Role::Tasks => tasks?,
        Role::Table => 1,
        Role::Input | Role::Output => tasks.unwrap_or(sizing.partitions),
    };
    let new = TopicToCreate {
        name: topic.clone(),
        partitions,
        replicas: sizing.replicas,
        settings: wanted_settings(row, sizing),
    };
    let (is, wanted) = ("missing".into(), format!("{partitions} partitions"));
    Some(Difference {
        topic,
        setting: "topic".into(),
        is,
        wanted,
        severity: Severity::Create(new),
    })
}

fn compare(row: &TopicRow, topic: &str, found: &ExistingTopic, sizing: &Sizing, differences: &mut Vec<Difference>) {
    let mut push = |setting: &str, is: &str, wanted: String, severity| {
        let (topic, setting, is) = (topic.to_owned(), setting.to_owned(), is.to_owned());
        differences.push(Difference {
            topic,
            setting,
            is,
            wanted,
            severity,
        });
    };
    if row.role == Role::Table && found.partitions != 1 {
        let why = "a version is an offset, so there is one line of them".into();
        let instead = "use another topic, of one partition".into();
        push(
            "partitions",
            &found.partitions.to_string(),
            "1".into(),
            Severity::Refuse { why, instead },
        );
    }
    let wanted = sizing.replicas.unwrap_or(2);
    if found.replicas < wanted {
        let why = "what it holds is lost with fewer disks than wanted".into();
        push(
            "replicas",
            &found.replicas.to_string(),
            wanted.to_string(),
            Severity::Note { why },
        );
    }
    if found.replicas >= 3 && found.settings.get("min.insync.replicas").is_some_and(|is| is == "1") {
        let why = "a record may be acknowledged by one disk alone".into();
        push("min.insync.replicas", "1", "2".into(), Severity::Note { why });
    }
    for (setting, rule) in row.settings {
        // A broker that doesn't know a setting doesn't tell it; then its own ways hold.
        let Some(is) = found.settings.get(*setting) else {
            continue;
        };
        if let Some(severity) = rule.judge(setting, is, sizing) {
            push(setting, is, rule.wanted(sizing), severity);
        }
    }
}

impl Rule {
    fn wanted(&self, sizing: &Sizing) -> String {
        match self {
            Self::Start(value) | Self::Must(value, _) | Self::Should(value, _) => (*value).to_owned(),
            Self::AtLeast(value, _) | Self::ShouldReach(value, _) => (*value).to_owned(),
            // Kafka's own default, unless our records need more.
            Self::FitsRecords | Self::StartsFitting => sizing.message_bytes().max(1_048_588).to_string(),
        }
    }

    fn judge(&self, setting: &str, is: &str, sizing: &Sizing) -> Option<Severity> {
        let refuse = |why: &str, wanted: &str| {
            Some(Severity::Refuse {
                why: why.into(),
                instead: format!("set {setting}={wanted} on it"),
            })
        };
        let note = |why: &str| Some(Severity::Note { why: why.into() });
        match self {
            Self::Start(_) | Self::StartsFitting => None,
            Self::Must(wanted, _) | Self::Should(wanted, _) if same(is, wanted) => None,
            Self::AtLeast(wanted, _) | Self::ShouldReach(wanted, _) if reaches(is, wanted) => None,
            Self::Must(wanted, why) | Self::AtLeast(wanted, why) => refuse(why, wanted),
            Self::Should(_, why) | Self::ShouldReach(_, why) => note(why),
            Self::FitsRecords => {
                let least = sizing.message_bytes().to_string();
                if reaches(is, &least) {
                    None
                } else {
                    refuse("a record of ours may not fit in it", &least)
                }
            }
        }
    }
}

/// Lists (`cleanup.policy`) are the same in any order.
fn same(is: &str, wanted: &str) -> bool {
    let parts = |list: &str| {
        let mut parts: Vec<_> = list.split(',').map(|part| part.trim().to_owned()).collect();
        parts.sort_unstable();
        parts
    };
    parts(is) == parts(wanted)
}

fn reaches(is: &str, wanted: &str) -> bool {
    match (is.parse::<i64>(), wanted.parse::<i64>()) {
        (Ok(-1), _) => true,
        (Ok(is), Ok(wanted)) => wanted != -1 && is >= wanted,
        _ => false,
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
