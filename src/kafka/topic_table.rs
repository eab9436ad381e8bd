//! The table of topics: names, numbers of partitions and settings, with the reason where a setting can't be another.

use super::topics::Rule::{self, AtLeast, FitsRecords, Must, Should, ShouldReach, Start, StartsFitting};

/// What a topic is to the program; it decides the number of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read; any number of partitions.
    Input,
    /// Written; any number of partitions.
    Output,
    /// One partition for each task.
    Tasks,
    /// One partition.
    Table,
}

/// A topic that we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRow {
    /// Its key in the configuration, under `topics`.
    pub key: &'static str,
    /// Its name, unless configured.
    pub name: &'static str,
    pub role: Role,
    pub settings: &'static [(&'static str, Rule)],
}

const WEEK: &str = "604800000";
const MONTH: &str = "2592000000";
const DAY: &str = "86400000";
const SIX_HOURS: &str = "21600000";
const ANY: &str = "9223372036854775807";

const INPUT_COMPACTED: &str = "compaction removes messages that were not read yet, all but the last of a key";
const APPEND_TIME_HERE: &str = "the time of the append would stand in for the producer's";
const WRONG_CLOCKS: &str = "the broker refuses records of producers whose clocks are ahead, and they are lost to us";
const UNCLEAN: &str = "a replica that lags may become leader, and what was committed is gone";
const OUTPUT_COMPACTED: &str = "compaction removes events that a consumer has not read yet";

const INPUT: &[(&str, Rule)] = &[
    ("cleanup.policy", Must("delete", INPUT_COMPACTED)),
    ("retention.ms", Start(WEEK)),
    ("message.timestamp.type", Should("CreateTime", APPEND_TIME_HERE)),
    ("message.timestamp.after.max.ms", Should(ANY, WRONG_CLOCKS)),
    ("max.message.bytes", StartsFitting),
    ("unclean.leader.election.enable", Should("false", UNCLEAN)),
];

const SETTINGS_INPUT: &[(&str, Rule)] = &[
    (
        "cleanup.policy",
        Should(
            "compact",
            "an org's settings vanish from the topic with time; those accepted stay in ours",
        ),
    ),
    ("message.timestamp.type", Should("CreateTime", APPEND_TIME_HERE)),
    ("message.timestamp.after.max.ms", Should(ANY, WRONG_CLOCKS)),
    ("max.message.bytes", StartsFitting),
    ("unclean.leader.election.enable", Should("false", UNCLEAN)),
];

const OUTPUT: &[(&str, Rule)] = &[
    ("cleanup.policy", Should("delete", OUTPUT_COMPACTED)),
    ("retention.ms", Start(WEEK)),
    ("max.message.bytes", FitsRecords),
    ("unclean.leader.election.enable", Should("false", UNCLEAN)),
];

const KEPT_OUTPUT: &[(&str, Rule)] = &[
    (
        "cleanup.policy",
        Should("delete", "compaction removes records that could still be replayed"),
    ),
    ("retention.ms", Start(MONTH)),
    ("max.message.bytes", FitsRecords),
    ("unclean.leader.election.enable", Should("false", UNCLEAN)),
];

const COMMANDS_KEPT: &str = "a record may be old, and must not vanish before it was judged";

const COMMANDS: &[(&str, Rule)] = &[
    (
        "cleanup.policy",
        Must("delete", "compaction removes records that were not judged yet"),
    ),
    ("retention.ms", AtLeast("-1", COMMANDS_KEPT)),
    ("retention.bytes", AtLeast("-1", COMMANDS_KEPT)),
    (
        "message.timestamp.type",
        Must(
            "LogAppendTime",
            "its records carry old times, by which Kafka would delete or refuse them",
        ),
    ),
    ("segment.ms", Start(DAY)),
    ("max.message.bytes", FitsRecords),
    ("unclean.leader.election.enable", Must("false", UNCLEAN)),
];

const CHANGELOG: &[(&str, Rule)] = &[
    (
        "cleanup.policy",
        Must(
            "compact",
            "it holds the state, of which nothing may be deleted by age or size",
        ),
    ),
    (
        "max.compaction.lag.ms",
        Should(
            DAY,
            "what was erased stays readable in old segments for longer than a day",
        ),
    ),
    (
        "segment.ms",
        Should(SIX_HOURS, "old values stay longer, and a restore reads more"),
    ),
    (
        "delete.retention.ms",
        AtLeast(
            WEEK,
            "an index that trails by less than a week would keep what was erased",
        ),
    ),
    ("message.timestamp.after.max.ms", Start(ANY)),
    ("max.message.bytes", FitsRecords),
    ("unclean.leader.election.enable", Must("false", UNCLEAN)),
];

const TABLE_OF_SETTINGS: &[(&str, Rule)] = &[
    (
        "cleanup.policy",
        Must(
            "compact",
            "it is read whole, and nothing of it may be deleted by age or size",
        ),
    ),
    (
        "message.timestamp.type",
        Must(
            "LogAppendTime",
            "the time of the append is the instant from which a version counts",
        ),
    ),
    (
        "delete.retention.ms",
        ShouldReach(DAY, "a process that reads slowly may miss that an org was removed"),
    ),
    ("max.message.bytes", FitsRecords),
    ("unclean.leader.election.enable", Must("false", UNCLEAN)),
];

/// Every topic of the program, inputs first, ours last.
pub const TABLE: &[TopicRow] = &[
    row("inbound_messages", "inbound-messages", Role::Input, INPUT),
    row("crm_changes", "crm-changes", Role::Input, INPUT),
    row("org_settings", "org-settings", Role::Input, SETTINGS_INPUT),
    row("outbound_requests", "outbound-requests", Role::Input, INPUT),
    row("routed_messages", "routed-messages", Role::Output, OUTPUT),
    row("unrouted_messages", "unrouted-messages", Role::Output, KEPT_OUTPUT),
    row("lifecycle_events", "lifecycle-events", Role::Output, OUTPUT),
    row("outbound_messages", "outbound-messages", Role::Output, OUTPUT),
    row("command_results", "command-results", Role::Output, OUTPUT),
    row("dead_letters", "dead-letters", Role::Output, KEPT_OUTPUT),
    row("router_commands", "router-commands", Role::Tasks, COMMANDS),
    row("router_changelog", "router-changelog", Role::Tasks, CHANGELOG),
    row("router_settings", "router-settings", Role::Table, TABLE_OF_SETTINGS),
];

const fn row(key: &'static str, name: &'static str, role: Role, settings: &'static [(&'static str, Rule)]) -> TopicRow {
    TopicRow {
        key,
        name,
        role,
        settings,
    }
}
