//! The kill table: each rule of the protocol switched off in turn, between the core and the models or in the core itself, must
//! be noticed within a bounded number of seeds.

use chatroom_router::judging::SettingsTable;
use chatroom_router::kafka::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the sabotage keeps.
#[derive(Default)]
pub struct Spoilt {
    /// Watermarks as of the question before them.
    pub early: BTreeMap<TopicPartition, i64>,
    /// Inputs whose offsets had expired.
    pub expired: BTreeSet<TopicPartition>,
    /// What was answered last about the settings.
    pub table: Option<Arc<SettingsTable>>,
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
    RevokedLetGoAtOnce,
    ResumeWithoutSeek,
    SettingsFromMemory,
    SweepAheadOfInput,
    StepForgotten,
    OffsetsBeforeFlush,
    IdleIndexUnwatched,
    AbortTakenForCommit,
    LossTakenForAbort,
}

use Sabotage::{
    AbortTakenForCommit, ApplyWithoutCompare, CommitWithoutMember, ExpiredOffsetsFromEarliest, IdleIndexUnwatched,
    LossTakenForAbort, LostIsNotTold, OffsetsBeforeFlush, ReadOfAnyBuild, ReadWithoutMarker, RebuildInPlace,
    ReplacedWithoutFence, ReplayUncommitted, ReplayWithoutWaiting, ResumeWithoutSeek, RevokedLetGoAtOnce,
    SettingsFromMemory, StableOffsetAsTarget, StepForgotten, SuspectProducerGoesOn, SweepAheadOfInput,
    TimersWithoutOffsets, TombstonesOfAnyAge, UnstableOffsets, WatermarkBeforeOffsets,
};

/// Every rule, in the words of the protocol, and what is done in its place.
pub const RULES: &[(Sabotage, &str, &str)] = &[
    (
        StableOffsetAsTarget,
        "the changelog is restored to its high watermark",
        "to its last stable offset (KAFKA-10167)",
    ),
    (
        WatermarkBeforeOffsets,
        "the high watermark is asked for after the committed offsets",
        "before them",
    ),
    (
        UnstableOffsets,
        "committed offsets are read once no transaction is pending on them",
        "as they stand",
    ),
    (
        ReplayUncommitted,
        "committed records alone are replayed",
        "aborted ones too",
    ),
    (
        ReplayWithoutWaiting,
        "a replay waits for open transactions below its target",
        "it passes over them",
    ),
    (
        ExpiredOffsetsFromEarliest,
        "where offsets have expired, the progress record says where to go on",
        "the input begins anew",
    ),
    (
        TombstonesOfAnyAge,
        "an index older than the tombstones is rebuilt",
        "it is brought up to date",
    ),
    (
        ApplyWithoutCompare,
        "a stretch is applied only where the one before it ends",
        "anywhere",
    ),
    (
        RebuildInPlace,
        "an index is rebuilt under a new generation",
        "under the old one",
    ),
    (
        ReadWithoutMarker,
        "values are trusted under the marker that they were read with",
        "whatever the marker says",
    ),
    (ReadOfAnyBuild, "values of another build are foreign", "they are taken"),
    (
        TimersWithoutOffsets,
        "timers are committed with the offsets of their task",
        "without",
    ),
    (
        CommitWithoutMember,
        "offsets are sent under generation and member id",
        "under generation -1 and no member",
    ),
    (
        SuspectProducerGoesOn,
        "a producer is replaced after a slow control request",
        "it goes on",
    ),
    (
        ReplacedWithoutFence,
        "a new producer fences the one before it",
        "it takes over its epoch",
    ),
    (
        LostIsNotTold,
        "partitions that were lost are forgotten",
        "they are kept through the next generation",
    ),
    (
        RevokedLetGoAtOnce,
        "a revoked partition is let go of after its transaction ended",
        "at once",
    ),
    (
        ResumeWithoutSeek,
        "an assigned partition is read from its recovered position",
        "from its end",
    ),
    (
        SettingsFromMemory,
        "settings are read up to a watermark asked for after the batch's last record",
        "those of the last batch are taken",
    ),
    (
        SweepAheadOfInput,
        "the clock fires timers only after the whole group's inputs",
        "up to now",
    ),
    (
        StepForgotten,
        "what is passed on is in the transaction that passes it on",
        "it is left out now and then",
    ),
    (
        OffsetsBeforeFlush,
        "all records are delivered before the commit",
        "the last may not be",
    ),
    (
        IdleIndexUnwatched,
        "an idle index is asked whether it stands where it should",
        "it is left alone",
    ),
    (
        AbortTakenForCommit,
        "an aborted batch is folded again",
        "it is taken for committed",
    ),
    (
        LossTakenForAbort,
        "an unknown outcome is looked up in the log",
        "it is taken for an abort",
    ),
];
