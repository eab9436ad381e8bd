//! Why a partition stops, in sentences: what was found, what each way out may lose, and the command that takes it. Nothing here
//! is tried: whoever acts does so by that command, and the partition, which is looked at again, then goes on.

use super::recovery::Found;
use crate::kafka::{Position, TopicPartition};
use crate::state::progress::Progress;

/// The index holds more of the changelog than the changelog does.
pub fn ahead_of_changelog(found: &Found) -> String {
    let Found {
        partition,
        high,
        last,
        seen,
        ..
    } = found;
    let applied = seen.marker.map_or(0, |marker| marker.offset);
    let what = if applied > *high {
        format!("the index is applied up to offset {applied} of a changelog that ends at {high}")
    } else {
        let sequence = |progress: Option<&Progress>| progress.map_or(0, |progress| progress.sequence);
        let (held, last) = (
            sequence(seen.progress.as_ref()),
            sequence(found.at_marker().or(last.as_ref())),
        );
        let same = if held == last { ", another," } else { "" };
        format!("the index holds transaction {held} of a changelog whose last one{same} is transaction {last} there")
    };
    format!(
        "{what}: the changelog lost records, and the index may be the last to hold them; bring the changelog back from a replica or a \
         copy, or give up what only the index holds: `chatroom-router index rebuild --partition {partition} --discard-index`"
    )
}

/// The index holds what this program did not write.
pub fn unreadable_index(partition: i32, what: &str) -> String {
    format!(
        "the index of partition {partition} can't be read: {what}; find out what else writes to the router's keys in Redis; nothing is \
         lost if the index is then built anew from the changelog: `chatroom-router index rebuild --partition {partition} --discard-index`"
    )
}

/// The changelog lost its beginning, and the index would be built from what is left.
pub fn cut(partition: i32, low: i64) -> String {
    format!(
        "the changelog begins at offset {low} and the index must be built anew from it: what stood before was deleted by hand or by \
         a retention, which compaction never does; bring the changelog back from a copy, or go on without the contacts and chatrooms \
         whose last records stood there: `chatroom-router positions accept log --partition {partition}`"
    )
}

/// An input has fewer partitions than before.
pub(super) fn shrunk(topic: &str, before: i32, count: i32) -> String {
    format!(
        "{topic} had {before} partitions and has {count}: it was created anew, and what it held that was not judged is lost; give it \
         the others again, after which this goes on: `kafka-topics.sh --alter --topic {topic} --partitions {before}`, or, if it is to \
         have {count}, start the router again: a partition whose next record is gone then says so"
    )
}

/// Of the settings that records were judged by, some are gone.
pub fn settings_lost(partition: i32, named: i64, end: i64) -> String {
    format!(
        "router-settings ends at offset {end}, but records were judged by what stood below {named}: it was created anew, or lost \
         records; bring it back from a copy, or go on with the settings that it holds, and have each org whose settings it lacks put \
         them again, under another request_id: `chatroom-router positions accept log --partition {partition}`"
    )
}

/// The latest settings of an org can't be read: what they say can't be guessed.
pub fn settings_unreadable(partition: i32, what: &str) -> String {
    format!(
        "{what}; run the version of the program that wrote it, with which nothing is lost, or give up this org's settings and the \
         history of its days, so that its messages are unrouted as UNKNOWN_ORG until it puts its settings again, under another \
         request_id: `chatroom-router positions accept log --partition {partition}`"
    )
}

/// The group's committed offset and the progress record differ.
pub(super) fn disagree(partition: i32, input: &TopicPartition, committed: Option<i64>, progress: i64) -> String {
    let said = committed.map_or("nothing".to_owned(), |offset| offset.to_string());
    let other = match committed {
        Some(committed) if committed > progress => {
            format!("records {progress} to {} are then never judged", committed - 1)
        }
        Some(committed) => format!("records {committed} to {} are then judged again", progress - 1),
        None => "all of it is then judged again".to_owned(),
    };
    let twice = if committed.is_some_and(|committed| committed > progress) {
        ", and judged twice only what the changelog lost, if it did lose its end"
    } else {
        " or judged twice"
    };
    format!(
        "the group has committed {said} of {input}, but the changelog's progress record says {progress}: offsets were set by hand, \
         or the changelog is another; go on from the progress record, with which nothing is lost{twice}: `chatroom-router \
         positions accept changelog --partition {partition}`, or from the group's offset ({other}): `chatroom-router positions \
         accept group --partition {partition}`"
    )
}

/// The group has committed offsets of an input that no progress record names.
pub(super) fn unknown_to_changelog(partition: i32, input: &TopicPartition, committed: i64) -> String {
    format!(
        "the group has committed {committed} of {input}, of which the changelog knows nothing: was the changelog created anew? \
         bring it back from a copy, or go on with what it holds now, without the contacts and chatrooms that it lacks: \
         `chatroom-router positions accept group --partition {partition}`"
    )
}

/// A record of ours that was to come next can't be read.
pub fn unreadable(partition: i32, at: &Position, why: &str) -> String {
    format!(
        "{at} can't be read: {why}; run the version of the program that wrote it, with which nothing is lost, or give it up: it \
         becomes a dead letter, and what it was to do is not done (a message is not routed, a command gets no result, a contact \
         stays on its way): `chatroom-router positions accept log --partition {partition}`"
    )
}

/// The last progress record can't be read.
pub fn progress_unreadable(partition: i32, why: &str) -> String {
    format!(
        "{why}; run the version of the program that wrote it, with which nothing is lost, or go on from the last one that can be \
         read and the group's offsets, with which nothing is left out or judged twice unless these were set by hand too: \
         `chatroom-router positions accept group --partition {partition}`"
    )
}

/// The index is built from the changelog, of which a record can't be read.
pub fn changelog_unreadable(changelog: &TopicPartition, why: &str) -> String {
    format!(
        "{changelog} can't be read: {why}; run the version of the program that wrote it or bring the changelog back from a copy, with \
         which nothing is lost, or go on without the contacts and chatrooms whose last records stand up to there: delete these \
         (`kafka-delete-records.sh`, with a cleanup.policy of compact,delete meanwhile), and the partition says what to do next"
    )
}

/// The records that were to come next are gone.
pub(super) fn deleted(partition: i32, input: &TopicPartition, next: i64, earliest: i64) -> String {
    format!(
        "{input} begins at offset {earliest}, but {next} is the next to read: records {next} to {} were deleted before they were \
         judged; go on without them: `chatroom-router positions accept log --partition {partition}`",
        earliest - 1
    )
}

/// The broker does not know the offset that was to come next.
pub(super) fn out_of_range(partition: i32, input: &TopicPartition, next: i64) -> String {
    format!(
        "{input} does not hold offset {next}, the next to read: records were deleted before they were judged, or the topic was \
         created anew; go on with what it holds: `chatroom-router positions accept log --partition {partition}`"
    )
}
