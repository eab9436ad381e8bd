//! What a partition can't go on from because this version can't read it: the last progress record, the accepted settings, the
//! next record that was passed on. Found as the router finds it; nothing is changed here.

use super::positions::Place;
use super::{CALL, SOON, Stand, Upkeep, now};
use crate::contract::{self, TopicKind};
use crate::domain::effect::{DeadLetter, DeadReason};
use crate::domain::time::Instant;
use crate::failure::Failure;
use crate::kafka::{NewRecord, Record, TopicPartition};
use crate::protocol::stops;
use crate::{app, changelog, judging, letters};
use std::sync::Arc;

/// The accepted settings of all orgs, beside what a partition was judged by.
#[derive(Debug, Clone)]
pub(super) struct SettingsFound {
    pub end: i64,
    /// Keys of those whose latest record can't be read.
    pub unreadable: Vec<Vec<u8>>,
    /// Why no partition can go on by them.
    pub stop: Option<String>,
}

impl Upkeep {
    /// Why the last progress record can't be read, where it is not the one that the stand is by.
    pub(super) fn progress_unreadable(&mut self, stand: &Stand) -> Result<Option<String>, Failure> {
        let at = self.changelog(stand.partition);
        match changelog::last_progress(&mut self.reader, &at, stand.low, stand.high) {
            Ok(_) => Ok(None),
            Err(changelog::Fault::Unreadable(why)) if stand.progress.is_some() => {
                Ok(Some(stops::progress_unreadable(stand.partition, &why)))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    pub(super) fn settings_found(&mut self, stand: &Stand) -> Result<SettingsFound, Failure> {
        let table = TopicPartition::new(self.config.topics.name(TopicKind::RouterSettings).clone(), 0);
        let end = self.lookup.high_watermark(&table, CALL)?;
        let named = stand.progress.as_ref().map_or(0, |progress| progress.settings_next);
        let records = self.settings.read_now()?;
        let unreadable = records.table().err();
        let unreadable = unreadable.map(|what| stops::settings_unreadable(stand.partition, &what));
        let lost = (named > end).then(|| stops::settings_lost(stand.partition, named, end));
        Ok(SettingsFound {
            end,
            unreadable: records.unreadable_keys().map(<[u8]>::to_vec).collect(),
            stop: lost.or(unreadable),
        })
    }

    /// The record of `router-commands` that the partition comes to next, if it is one of ours that can't be read, and why.
    pub(super) fn next_unreadable(
        &mut self,
        place: &Place,
        stand: &Stand,
    ) -> Result<Option<(Record, String)>, Failure> {
        let Some((progress, next)) = stand.progress.as_ref().zip(place.progress) else {
            return Ok(None);
        };
        if next < place.first || next >= place.end {
            return Ok(None);
        }
        self.reader.start(place.at.clone(), next, place.end, SOON)?;
        let mut found = Vec::new();
        // What an open transaction holds back is not next yet.
        let answered = self.reader.next(1, SOON, &mut found);
        let Some(record) = found.into_iter().next().filter(|_| answered.is_ok()) else {
            return Ok(None);
        };
        let facts = app::facts(&Arc::new(self.config.clone()), self.expected)(stand.partition, progress.incarnation);
        let prepared = judging::prepare(record.clone(), &facts, Instant(now()));
        Ok(prepared.err().map(|why| (record, why)))
    }

    /// What becomes of a record that is given up.
    pub(super) fn letter(&self, record: &Record) -> Option<NewRecord> {
        let dead = DeadLetter {
            reason: DeadReason::CannotBeJudged,
            detail: "it could not be read, and was given up by an operator".into(),
        };
        let letter = contract::dead_letter(&letters::raw(record, &self.config.topics)?, &dead);
        Some(NewRecord {
            topic: self.config.topics.name(letter.topic).clone(),
            key: letter.key,
            value: letter.value,
            headers: letter.headers,
            ..NewRecord::default()
        })
    }
}
