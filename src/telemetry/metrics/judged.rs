//! What was read, and how it was judged.

use super::family::{Counters, Counters2, Counters3, Maker};
use super::labels::{Duplicate, RecordOutcome};
use crate::contract::TopicKind;
use crate::domain::effect::{AutoReplyOutcome, Code, CommandType, DeadReason, RouteRule, Status, UnroutedReason};
use prometheus::Error;

/// Counted when the transaction that holds them is committed: an abort counts nothing twice.
pub struct Judged {
    pub records: Counters2<TopicKind, RecordOutcome>,
    pub decisions: Counters<RouteRule>,
    pub unrouted: Counters<UnroutedReason>,
    pub auto_replies: Counters<AutoReplyOutcome>,
    pub commands: Counters3<CommandType, Status, Option<Code>>,
    pub duplicates: Counters<Duplicate>,
    pub dead_letters: Counters<DeadReason>,
}

impl Judged {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            records: make.counters2(
                "records_total",
                "Records read and settled, by the topic's part and what became of them. \
                 Alert: none settled for 2 minutes while there is lag.",
                ["topic", "outcome"],
            )?,
            decisions: make.counters(
                "decisions_total",
                "Messages judged, by the rule that chose. Watch: a jump of I3 or I4 beside I1.",
                "rule",
            )?,
            unrouted: make.counters(
                "unrouted_total",
                "Messages kept in unrouted-messages, by reason. \
                 Alert: UNKNOWN_ORG or UNKNOWN_WABA_PHONE over a tenth of the messages: settings are missing.",
                "reason",
            )?,
            auto_replies: make.counters(
                "auto_replies_total",
                "Messages in expired chatrooms, by what became of the auto-reply. Watch: RATE_LIMITED, two robots may be talking.",
                "outcome",
            )?,
            commands: make.counters3(
                "commands_total",
                "Results published, by command, status and code (empty unless refused). \
                 Alert: code FAILED at all, it is a fault of ours.",
                ["type", "status", "code"],
            )?,
            duplicates: make.counters(
                "duplicates_total",
                "Repeats that were known and had no second effect. Watch: a gateway that sends everything twice.",
                "kind",
            )?,
            dead_letters: make.counters(
                "dead_letters_total",
                "Records that could not be read or judged, by reason. Alert: over 1 in 100 records for 5 minutes, or CANNOT_BE_JUDGED at all.",
                "reason",
            )?,
        })
    }
}
