//! From where a partition's inputs go on: what the group has committed, what the changelog's progress record says, and what the
//! logs still hold. Where they contradict each other the partition stands still, until somebody says which of them is right.

use super::unreadable::SettingsFound;
use super::{CALL, Upkeep};
use crate::changelog;
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use crate::kafka::transaction::{Ending, TxnError};
use crate::kafka::{Consumer, NewRecord, Record, TopicPartition, Transactions};
use crate::protocol::{recovery, stops};
use crate::state::keys::RecordKey;
use crate::state::progress::{Position, Progress};
use std::thread::sleep;
use std::time::Duration;
use uuid::Uuid;

/// A router at work commits meanwhile: what still contradicts itself after so long is a partition that stands still.
const STILL: Duration = Duration::from_secs(2);
const FLUSH: Duration = Duration::from_secs(30);

/// Whose positions hold from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The changelog's progress record: nothing is lost, and nothing judged twice.
    Changelog,
    /// The group's committed offsets: what lies between is skipped, or judged again.
    Group,
    /// As they are, but where records are gone, the first that is still there; and of the changelog and the settings what is,
    /// and can be read.
    Log,
}

/// One input of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub at: TopicPartition,
    pub committed: Option<i64>,
    pub progress: Option<i64>,
    /// The first offset that is there, and the one after the last.
    pub first: i64,
    pub end: i64,
    /// The next record, where it is one of ours that can't be read.
    pub unreadable: Option<i64>,
}

impl Place {
    /// Where it goes on when this source is right.
    #[must_use]
    pub fn by(&self, source: Source) -> i64 {
        match source {
            Source::Changelog => self.progress.unwrap_or(self.first),
            Source::Group => self.committed.or(self.progress).unwrap_or(self.first),
            Source::Log => match (self.unreadable, self.progress.or(self.committed)) {
                (Some(given_up), _) => given_up + 1,
                (None, Some(next)) if (self.first..=self.end).contains(&next) => next,
                (None, _) => self.first,
            },
        }
    }

    /// Whether nobody has judged anything of it since: what comes to stand there waits.
    fn stands_since(&self, before: &Self) -> bool {
        (&self.at, self.committed, self.progress) == (&before.at, before.committed, before.progress)
    }
}

/// All inputs of a partition, and why it can't go on, if it can't.
#[derive(Debug, Clone)]
pub struct Places {
    pub partition: i32,
    pub places: Vec<Place>,
    pub stopped: Option<String>,
    progress: Option<Progress>,
    /// Where the changelog begins, and whether what stood before it is missed.
    low: i64,
    is_cut: bool,
    settings: SettingsFound,
    /// The next record of `router-commands`, if it can't be read.
    unreadable: Option<Record>,
}

impl Places {
    fn stand_since(&self, before: &Self) -> bool {
        let mut both = self.places.iter().zip(&before.places);
        self.places.len() == before.places.len() && both.all(|(now, before)| now.stands_since(before))
    }
}

impl Upkeep {
    pub fn places(&mut self, partition: i32) -> Result<Places, Failure> {
        let inputs = self.inputs_of(partition)?;
        // In the order of the protocol: what is committed, then where the logs end.
        let committed = Consumer::open(&self.kafka)?.committed(&inputs, CALL)?;
        let stand = self.stand_by(partition, changelog::last_readable_progress)?;
        let progress_unreadable = self.progress_unreadable(&stand)?;
        let firsts = self.lookup.low_watermarks(&inputs, CALL)?;
        let ends = self.lookup.high_watermarks(&inputs, CALL)?;
        let settings = self.settings_found(&stand)?;
        let known = |at: &TopicPartition| stand.progress.as_ref()?.next_of(&self.config.topics.input(at));
        let logs: Vec<(i64, i64)> = firsts.into_iter().zip(ends).collect();
        let stopped = recovery::positions(partition, &inputs, &committed, &logs, &known).err();
        let places = inputs.iter().zip(committed).zip(logs);
        let mut places: Vec<Place> = places
            .map(|((at, committed), (first, end))| Place {
                at: at.clone(),
                committed,
                progress: known(at),
                first,
                end,
                unreadable: None,
            })
            .collect();
        let unreadable = self.next_unreadable(&places[0], &stand)?;
        places[0].unreadable = unreadable.as_ref().map(|(record, _)| record.at.offset);
        let next = unreadable.as_ref();
        let next = next.map(|(record, why)| stops::unreadable(partition, &record.at, why));
        let found = stand.found();
        let stops = [
            progress_unreadable,
            settings.stop.clone(),
            stopped,
            recovery::cut(&found),
            next,
        ];
        Ok(Places {
            partition,
            stopped: stops.into_iter().flatten().next(),
            places,
            low: stand.low,
            settings,
            unreadable: unreadable.map(|(record, _)| record),
            is_cut: found.is_cut(),
            progress: stand.progress,
        })
    }

    /// Writes the positions of that source as a progress record and as the group's offsets, in one transaction. None: the
    /// partition does not stand still for its positions, and nothing was changed. An index that was found to differ stops one
    /// whose changelog lost its beginning, too, and who found that is its owner: so that beginning can be accepted at any time.
    pub fn accept(&mut self, partition: i32, source: Source) -> Result<Option<Places>, Failure> {
        let before = self.places(partition)?;
        if before.stopped.is_none() && !(before.is_cut && source == Source::Log) {
            return Ok(None);
        }
        sleep(STILL);
        let found = self.places(partition)?;
        if !found.stand_since(&before) {
            let sentence = format!("partition {partition} does not stand still: its positions move; try again");
            return Err(Failure::new(Exit::Unreachable, sentence));
        }
        self.write(&found, source).map_err(|error| refused(&error))?;
        self.places(partition).map(Some)
    }

    fn write(&self, found: &Places, source: Source) -> Result<(), TxnError> {
        let changelog = self.changelog(found.partition);
        let positions: Vec<(TopicPartition, i64)> = found
            .places
            .iter()
            .map(|place| (place.at.clone(), place.by(source)))
            .collect();
        let record = NewRecord {
            topic: changelog.topic,
            partition: Some(found.partition),
            key: Some(RecordKey::PROGRESS.as_bytes().to_vec()),
            value: Some(self.progress(found, source, &positions).encode()),
            ..NewRecord::default()
        };
        let table = self.config.topics.name(TopicKind::RouterSettings);
        let unreadable = found.settings.unreadable.iter();
        let given_up = unreadable.filter(|_| source == Source::Log).map(|key| NewRecord {
            topic: table.clone(),
            partition: Some(0),
            key: Some(key.clone()),
            ..NewRecord::default()
        });
        let letter = found.unreadable.as_ref().filter(|_| source == Source::Log);
        let letter = letter.and_then(|record| self.letter(record));
        let records = std::iter::once(record).chain(given_up).chain(letter);
        let id = format!("{}-positions-{}", self.kafka.group_id, found.partition);
        let group = Consumer::open(&self.kafka).map_err(|error| TxnError::Positions(Box::new(error)))?;
        let mut transaction = Transactions::open(&self.kafka, &id, CALL, &|| false)?.begin()?;
        for (place, record) in records.enumerate() {
            transaction.send(place, &record)?;
        }
        transaction.flush(FLUSH)?;
        transaction.send_offsets_unfenced(&group, &positions, CALL)?;
        committed(transaction.commit())
    }

    fn progress(&self, found: &Places, source: Source, positions: &[(TopicPartition, i64)]) -> Progress {
        let new = || Progress::first(&self.expected, Uuid::new_v4());
        let mut progress = found.progress.clone().unwrap_or_else(new);
        progress.sequence += 1;
        if source == Source::Log || found.progress.is_none() {
            progress.begins = found.low;
            progress.settings_next = progress.settings_next.min(found.settings.end);
        }
        for (at, next) in positions {
            let input = self.config.topics.input(at);
            let decided_to = progress.inputs.get(&input).and_then(|held| held.decided_to);
            let next = *next;
            progress.inputs.insert(input, Position { next, decided_to });
        }
        progress
    }

    /// `router-commands` first, as the router has it.
    fn inputs_of(&mut self, partition: i32) -> Result<Vec<TopicPartition>, Failure> {
        let commands = self.config.topics.name(TopicKind::RouterCommands).clone();
        let mut inputs = vec![TopicPartition::new(commands, partition)];
        let step = self.expected.partitions.count() as usize;
        for topic in TopicKind::INPUTS {
            let name = self.config.topics.name(topic).clone();
            let missing = || {
                Failure::new(
                    Exit::BadData,
                    format!("topic {name} does not exist: see `chatroom-router topics plan`"),
                )
            };
            let count = self.lookup.partitions(&name, CALL)?.ok_or_else(missing)?;
            let theirs = (partition..count).step_by(step);
            inputs.extend(theirs.map(|partition| TopicPartition::new(name.clone(), partition)));
        }
        Ok(inputs)
    }
}

fn committed(mut ending: Ending) -> Result<(), TxnError> {
    loop {
        ending = match ending {
            Ending::Done(_) => return Ok(()),
            Ending::Again(transaction, _) => transaction.commit(),
            Ending::MustAbort(transaction, error) => {
                // It ends by itself after its time if it can't be aborted.
                _ = transaction.abort();
                return Err(error);
            }
            Ending::Gone(error) => return Err(error),
        };
    }
}

fn refused(error: &TxnError) -> Failure {
    let next = "nothing has changed, or all of it has: see `chatroom-router positions show`";
    Failure::new(
        Exit::Unreachable,
        format!("the positions could not be written ({error}): {next}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_says_where_to_go_on() {
        let place = |committed, progress| Place {
            at: TopicPartition::new("inbound-messages", 0),
            committed,
            progress,
            first: 10,
            end: 20,
            unreadable: None,
        };
        for (committed, progress, changelog, group, log) in [
            (Some(12), Some(15), 15, 12, 15),
            (None, Some(15), 15, 15, 15),
            (Some(12), None, 10, 12, 12),
            (None, None, 10, 10, 10),
            (Some(5), Some(5), 5, 5, 10),
            (Some(30), Some(30), 30, 30, 10),
        ] {
            let place = place(committed, progress);
            let by = [Source::Changelog, Source::Group, Source::Log].map(|source| place.by(source));
            assert_eq!(by, [changelog, group, log], "{committed:?} {progress:?}");
        }
        let unreadable = Place {
            unreadable: Some(12),
            ..place(Some(12), Some(12))
        };
        assert_eq!((unreadable.by(Source::Log), unreadable.by(Source::Changelog)), (13, 12));
    }
}
