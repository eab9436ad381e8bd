//! The closed lists that labels are taken from. The domain's own enums go by their words in the contracts.

use super::family::{Label, label, word_label};
use crate::contract::TopicKind;
use crate::domain::effect::{AutoReplyOutcome, Code, CommandType, DeadReason, RouteRule, Status, UnroutedReason};

/// What became of a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Judged here, at its home.
    Judged,
    /// Passed on to its home.
    PassedOn,
    DeadLetter,
    /// Read and of no more use, such as a step whose move is over.
    Dropped,
}

/// What was known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicate {
    /// A message that was routed.
    Routed,
    /// A message that still has nowhere to go.
    Unrouted,
    /// A command that was answered.
    Command,
}

/// Where a transaction spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionPhase {
    /// Waiting for records, from the first of the batch on.
    Collect,
    /// The misses of the batch, from the index.
    Read,
    Fold,
    /// Handing the outputs to the client.
    Produce,
    /// Until the brokers have them.
    Flush,
    /// `send_offsets_to_transaction`.
    Offsets,
    Commit,
    /// Queued for the index, until it has taken them.
    Apply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionOutcome {
    Committed,
    /// And folded again.
    Aborted,
    /// Fenced: the partition has another owner, or will be taken anew.
    Fenced,
    /// Not known: recovered from the log.
    Unknown,
}

/// The calls that the index takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexCall {
    Marker,
    Begin,
    Apply,
    Read,
    Due,
    Clocks,
    Sweep,
    Check,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOutcome {
    Ok,
    /// The index is another build than the caller means.
    Foreign,
    /// It lacks what comes before.
    Gap,
    /// Not reached, too slow, or refused.
    Failed,
}

/// Why a partition was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreCause {
    /// It came to us.
    Assigned,
    /// An outcome was in doubt.
    Doubt,
    /// We were fenced and are still the owner.
    Fenced,
    /// The index had no marker, or one of another build.
    IndexLost,
    /// The index went back.
    IndexRolledBack,
}

label!(RecordOutcome { Judged = "judged", PassedOn = "passed_on", DeadLetter = "dead_letter", Dropped = "dropped" });
label!(Duplicate { Routed = "routed", Unrouted = "unrouted", Command = "command" });
label!(TransactionPhase {
    Collect = "collect",
    Read = "read",
    Fold = "fold",
    Produce = "produce",
    Flush = "flush",
    Offsets = "offsets",
    Commit = "commit",
    Apply = "apply",
});
label!(TransactionOutcome {
    Committed = "committed",
    Aborted = "aborted",
    Fenced = "fenced",
    Unknown = "unknown",
});
label!(IndexCall {
    Marker = "marker",
    Begin = "begin",
    Apply = "apply",
    Read = "read",
    Due = "due",
    Clocks = "clocks",
    Sweep = "sweep",
    Check = "check",
});
label!(IndexOutcome { Ok = "ok", Foreign = "foreign", Gap = "gap", Failed = "failed" });
label!(RestoreCause {
    Assigned = "assigned",
    Doubt = "doubt",
    Fenced = "fenced",
    IndexLost = "index_lost",
    IndexRolledBack = "index_rolled_back",
});
word_label!(RouteRule [I1, I2, I3, I4, I9]);
word_label!(UnroutedReason [UnknownOrg, UnknownWabaPhone, NoPhone, NoChatroom, NoContact]);
word_label!(AutoReplyOutcome [Sent, NotAPerson, NotConfigured, TooOld, RateLimited]);
word_label!(CommandType [
    ContactUpsert, ContactDelete, ChatroomCreate, ChatroomActivate, ChatroomDeactivate, ChatroomExpire, OutboundSend,
    SettingsPut,
]);
word_label!(Status [Applied, Unchanged, Refused, Duplicate]);
word_label!(Code [
    UnknownOrg, UnknownWabaPhone, ContactNotFound, ContactExpired, ContactDeleted, PhoneIsAffiliate, PhoneHasContacts,
    PhoneFull, ChatroomNotFound, ChatroomConflict, ChatroomDeactivated, ChatroomExpired, NotAnAffiliate, Busy, Failed,
]);
word_label!(DeadReason [NotJson, Malformed, BadPhone, BadSettings, TooLarge, CannotBeJudged]);

/// None is the empty label: what wasn't refused has no code.
impl Label for Option<Code> {
    const ALL: &'static [Self] = &{
        let mut all = [None; Code::ALL.len() + 1];
        let mut place = 0;
        while place < Code::ALL.len() {
            all[place + 1] = Some(Code::ALL[place]);
            place += 1;
        }
        all
    };

    fn name(self) -> &'static str {
        self.map_or("", Code::name)
    }

    fn place(self) -> usize {
        self.map_or(0, |code| code.place() + 1)
    }
}

impl Label for TopicKind {
    const ALL: &'static [Self] = &TopicKind::ALL;

    fn name(self) -> &'static str {
        self.default_name()
    }

    fn place(self) -> usize {
        self as usize
    }
}
