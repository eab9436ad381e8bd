//! The kill table: each rule of the protocol switched off in turn, between the core and the models or in the core itself, must
//! be noticed within a bounded number of seeds.

use crate::process::Pid;
use chatroom_router::judging::SettingsTable;
use chatroom_router::kafka::TopicPartition;
#[cfg(debug_assertions)]
use chatroom_router::protocol::rules::Rule;
use chatroom_router::protocol::rules::Rules;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the sabotage keeps.
#[derive(Default)]
pub struct Spoilt {
    /// Inputs whose offsets had expired.
    pub expired: BTreeSet<TopicPartition>,
    /// Watermarks as of when a process joined its group last.
    pub joined: BTreeMap<(Pid, TopicPartition), i64>,
    /// What was answered last about the settings.
    pub table: Option<Arc<SettingsTable>>,
}

impl Sabotage {
    /// The rules of a core that this is done to.
    #[cfg(debug_assertions)]
    pub fn rules(off: Option<Self>) -> Rules {
        match off {
            Some(Self::RepeatsTaken) => Rules::without(Rule::RepeatsDropped),
            Some(Self::Unpinned) => Rules::without(Rule::Pinned),
            Some(Self::FoldedOnRemains) => Rules::without(Rule::FoldedAnew),
            Some(Self::CommittedInAnotherLife) => Rules::without(Rule::SameLife),
            Some(Self::LossForgotten) => Rules::without(Rule::LossDoubted),
            Some(Self::StoppedAtOnce) => Rules::without(Rule::FoundTwice),
            Some(Self::HaltedTaken) => Rules::without(Rule::HaltedLeft),
            Some(Self::HaltedPassed) => Rules::without(Rule::HaltedEndless),
            Some(Self::UnnamedSettings) => Rules::without(Rule::SettingsNamed),
            _ => Rules::default(),
        }
    }

    /// A core that is built for release keeps its rules.
    #[cfg(not(debug_assertions))]
    pub fn rules(_: Option<Self>) -> Rules {
        Rules::default()
    }
}

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    StableOffsetAsTarget,
    WatermarkBeforeOffsets,
    UnstableOffsets,
    ReplayUncommitted,
    ReplayWithoutWaiting,
    ExpiredOffsetsFromEarliest,
    TombstonesOfAnyAge,
    ApplyWithoutCompare,
    RebuildInPlace,
    ReadWithoutMarker,
    ReadOfAnyBuild,
    TimersWithoutOffsets,
    CommitWithoutMember,
    SuspectProducerGoesOn,
    ReplacedWithoutFence,
    LostIsNotTold,
    PlaceTakenQuietly,
    RevokedLetGoAtOnce,
    ResumeWithoutSeek,
    SettingsFromMemory,
    SweepAheadOfInput,
    StepForgotten,
    OffsetsBeforeFlush,
    IdleIndexUnwatched,
    AbortTakenForCommit,
    LossTakenForAbort,
    IncarnationIgnored,
    HighWatermarkIgnored,
    SequenceIgnored,
    ProgressUnchecked,
    AppliedBeforeCommit,
    AppliedAgain,
    BegunBlindly,
    SweptUnasked,
    MemberKeptFromAssignment,
    PausedByUnassign,
    AnswersOfAnyLife,
    EndAtHighWatermark,
    OlderSettings,
    SeenInMemory,
    OverlayUnbounded,
    RepeatsTaken,
    Unpinned,
    FoldedOnRemains,
    CommittedInAnotherLife,
    LossForgotten,
    StoppedAtOnce,
    HaltedTaken,
    HaltedPassed,
    UnnamedSettings,
    NewFromTheEnd,
    DeletedPassedOver,
    ResetToEarliest,
    ChangelogFromNought,
    UnfitUntold,
    UnfitLeft,
    DifferenceUntold,
    UnreadableAskedAgain,
}

/// Every rule, in the words of the protocol, and what is done in its place.
pub const RULES: &[(Sabotage, &str, &str)] = &[
    (
        Sabotage::StableOffsetAsTarget,
        "the changelog is restored to its high watermark",
        "to its last stable offset (KAFKA-10167)",
    ),
    (
        Sabotage::WatermarkBeforeOffsets,
        "the high watermark is asked for after the committed offsets",
        "before them, when the group is joined",
    ),
    (
        Sabotage::UnstableOffsets,
        "committed offsets are read once no transaction is pending on them",
        "as they stand",
    ),
    (
        Sabotage::ReplayUncommitted,
        "committed records alone are replayed",
        "aborted ones too",
    ),
    (
        Sabotage::ReplayWithoutWaiting,
        "a replay waits for open transactions below its target",
        "it passes over them",
    ),
    (
        Sabotage::ExpiredOffsetsFromEarliest,
        "where offsets have expired, the progress record says where to go on",
        "the input begins anew",
    ),
    (
        Sabotage::TombstonesOfAnyAge,
        "an index older than the tombstones is rebuilt",
        "it is brought up to date",
    ),
    (
        Sabotage::ApplyWithoutCompare,
        "a stretch is applied only where the one before it ends",
        "anywhere",
    ),
    (
        Sabotage::RebuildInPlace,
        "an index is rebuilt under a new generation",
        "under the old one",
    ),
    (
        Sabotage::ReadWithoutMarker,
        "values are trusted under the marker that they were read with",
        "whatever the marker says",
    ),
    (
        Sabotage::ReadOfAnyBuild,
        "values of another build are foreign",
        "they are taken",
    ),
    (
        Sabotage::TimersWithoutOffsets,
        "timers are committed with the offsets of their task",
        "without",
    ),
    (
        Sabotage::CommitWithoutMember,
        "offsets are sent under generation and member id",
        "under generation -1 and no member",
    ),
    (
        Sabotage::SuspectProducerGoesOn,
        "a producer is replaced after a slow control request",
        "it goes on",
    ),
    (
        Sabotage::ReplacedWithoutFence,
        "a new producer fences the one before it",
        "it takes over its epoch",
    ),
    (
        Sabotage::LostIsNotTold,
        "partitions that were lost are forgotten",
        "they are kept through the next generation",
    ),
    (
        Sabotage::PlaceTakenQuietly,
        "a static member that takes its place back joins once more",
        "it does not",
    ),
    (
        Sabotage::RevokedLetGoAtOnce,
        "a revoked partition is let go of after its transaction ended",
        "at once",
    ),
    (
        Sabotage::ResumeWithoutSeek,
        "an assigned partition is read from its recovered position",
        "from its end",
    ),
    (
        Sabotage::SettingsFromMemory,
        "settings are read up to a watermark asked for after the batch's last record",
        "those of the last batch are taken",
    ),
    (
        Sabotage::SweepAheadOfInput,
        "the clock fires timers only after the whole group's inputs",
        "up to now",
    ),
    (
        Sabotage::StepForgotten,
        "what is passed on is in the transaction that passes it on",
        "it is left out now and then",
    ),
    (
        Sabotage::OffsetsBeforeFlush,
        "all records are delivered before the commit",
        "the last may not be",
    ),
    (
        Sabotage::IdleIndexUnwatched,
        "an idle index is asked whether it stands where it should",
        "it is left alone",
    ),
    (
        Sabotage::AbortTakenForCommit,
        "an aborted batch is folded again",
        "it is taken for committed",
    ),
    (
        Sabotage::LossTakenForAbort,
        "an unknown outcome is looked up in the log",
        "it is taken for an abort",
    ),
    (
        Sabotage::IncarnationIgnored,
        "the index of another changelog is rebuilt",
        "it is taken for ours",
    ),
    (
        Sabotage::HighWatermarkIgnored,
        "an index ahead of the changelog stops its partition",
        "it is gone on with",
    ),
    (
        Sabotage::SequenceIgnored,
        "so does one that holds a transaction which the changelog has not",
        "only how far it was applied is looked at",
    ),
    (
        Sabotage::ProgressUnchecked,
        "committed offsets that contradict the progress record stop the partition",
        "they are gone on from",
    ),
    (
        Sabotage::AppliedBeforeCommit,
        "the index is applied after the commit",
        "once the records are delivered",
    ),
    (
        Sabotage::AppliedAgain,
        "a stretch that is behind the marker is not applied again",
        "it is, over what is newer",
    ),
    (
        Sabotage::BegunBlindly,
        "a rebuild begins only over the build that its owner saw",
        "over any",
    ),
    (
        Sabotage::SweptUnasked,
        "only what is of no build that the marker names is swept",
        "all but the build that the marker named when its sweeping was wished for",
    ),
    (
        Sabotage::MemberKeptFromAssignment,
        "offsets are sent under the generation of now",
        "of when a partition was assigned last",
    ),
    (
        Sabotage::PausedByUnassign,
        "a partition that must rest is paused, and only a revocation answered by an unassign",
        "it is unassigned",
    ),
    (
        Sabotage::AnswersOfAnyLife,
        "an answer to a question of an earlier life is dropped",
        "it is taken",
    ),
    (
        Sabotage::EndAtHighWatermark,
        "the end of an input is what can be read of it",
        "it is the high watermark",
    ),
    (
        Sabotage::OlderSettings,
        "settings older than the progress record names are never used",
        "they are used under its name",
    ),
    (
        Sabotage::SeenInMemory,
        "what was seen is remembered by the transaction that judged it",
        "by the process, once it is read",
    ),
    (
        Sabotage::OverlayUnbounded,
        "a task whose index is away stops taking records",
        "it goes on for ever",
    ),
    (
        Sabotage::RepeatsTaken,
        "a record that was collected before is dropped",
        "it is judged again",
    ),
    (
        Sabotage::Unpinned,
        "what a batch found in memory stays as it was until it is folded",
        "what was let go of meanwhile is absent",
    ),
    (
        Sabotage::FoldedOnRemains,
        "an aborted batch is folded from what is committed",
        "from what it had made",
    ),
    (
        Sabotage::CommittedInAnotherLife,
        "a task that is doubted commits nothing of its life before",
        "it commits what was under way",
    ),
    (
        Sabotage::LossForgotten,
        "after a producer is lost, everything is looked up anew",
        "it goes on from where it was",
    ),
    (
        Sabotage::StoppedAtOnce,
        "a contradiction stops a partition once it is found twice",
        "at once, though another owner may write meanwhile",
    ),
    (
        Sabotage::HaltedTaken,
        "nothing is taken from where a burst of bad records halts an input",
        "what was fetched already is",
    ),
    (
        Sabotage::HaltedPassed,
        "the end of an input that is halted is not reached",
        "it is",
    ),
    (
        Sabotage::UnnamedSettings,
        "a table of settings that lags behind the progress record is waited for",
        "it is taken as it is",
    ),
    (
        Sabotage::NewFromTheEnd,
        "an input that neither group nor changelog knows is read from its beginning",
        "from its end",
    ),
    (
        Sabotage::DeletedPassedOver,
        "records that were deleted before they were judged stop their partition",
        "they are passed over when it is taken up",
    ),
    (
        Sabotage::ResetToEarliest,
        "an offset out of range stops its partition",
        "its input is read from where it begins (`auto.offset.reset=earliest`)",
    ),
    (
        Sabotage::ChangelogFromNought,
        "a changelog is read from where it begins",
        "from offset 0",
    ),
    (
        Sabotage::UnfitUntold,
        "no index is believed while Redis may throw entries away",
        "nobody looks",
    ),
    (
        Sabotage::UnfitLeft,
        "an index that may have lost entries is given up for whoever owns it next",
        "it is left as it is",
    ),
    (
        Sabotage::DifferenceUntold,
        "an index that is found to differ from the changelog is built anew",
        "it is gone on with",
    ),
    (
        Sabotage::UnreadableAskedAgain,
        "so is one that holds what can't be read",
        "it is asked again and again",
    ),
];
