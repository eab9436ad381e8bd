//! A judgement in the making: reads through to the view, holds what is written and what follows, in order.

use super::archive;
use super::directory::{ChatroomRecord, Directory, OrgRecord};
use super::effect::{Consequence, Effect, Source};
use super::entry::Entry;
use super::event::{Cause, Event, Surroundings};
use super::record::{Judgement, Key, Known, Needs, Record, View};
use super::time::Instant;
use std::sync::Arc;

pub struct Draft<'a> {
    view: &'a dyn View,
    pub around: Surroundings<'a>,
    /// The decision time: begins as the event's, and is raised to that of each record that is touched.
    pub at: Instant,
    cause: Cause,
    judgement: Judgement,
}

impl<'a> Draft<'a> {
    #[must_use]
    pub fn new(view: &'a dyn View, event: &Event, around: Surroundings<'a>) -> Self {
        Self {
            view,
            around,
            at: event.at,
            cause: event.cause.clone(),
            // A message changes one entry, and goes to one chatroom.
            judgement: Judgement {
                writes: Vec::with_capacity(1),
                effects: Vec::with_capacity(1),
            },
        }
    }

    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Judge on behalf of another record (a command that waited); gives back the cause so far.
    pub fn swap_cause(&mut self, cause: Cause) -> Cause {
        std::mem::replace(&mut self.cause, cause)
    }

    /// The record as it is by now. Err: it has not been read yet.
    pub fn load(&self, key: &Key) -> Result<Option<Arc<Record>>, Needs> {
        if let Some((_, written)) = self.judgement.writes.iter().rev().find(|(written, _)| written == key) {
            return Ok(written.clone().map(Arc::new));
        }
        match self.view.get(key) {
            Known::Here(record) => Ok(Some(record)),
            Known::Absent => Ok(None),
            Known::Unread => Err(Needs(vec![key.clone()])),
        }
    }

    /// Makes sure that all these have been read, so that they are asked for at once.
    pub fn load_all(&self, keys: &[Key]) -> Result<(), Needs> {
        let missing = keys.iter().filter_map(|key| self.load(key).err());
        let missing: Vec<Key> = missing.flat_map(|needs| needs.0).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Needs(missing))
        }
    }

    /// A copy to change and `put_entry` back; a new one where there is none.
    pub fn entry(&self, key: &Key) -> Result<Entry, Needs> {
        Ok(match self.load(key)?.as_deref() {
            Some(Record::Entry(entry)) => entry.clone(),
            _ => Entry::default(),
        })
    }

    pub fn directory(&self, key: &Key) -> Result<Directory, Needs> {
        Ok(match self.load(key)?.as_deref() {
            Some(Record::Directory(directory)) => directory.clone(),
            _ => Directory::default(),
        })
    }

    pub fn chatroom_record(&self, key: &Key) -> Result<ChatroomRecord, Needs> {
        Ok(match self.load(key)?.as_deref() {
            Some(Record::Chatroom(record)) => record.clone(),
            _ => ChatroomRecord::default(),
        })
    }

    pub fn org_record(&self, key: &Key) -> Result<OrgRecord, Needs> {
        Ok(match self.load(key)?.as_deref() {
            Some(Record::Org(record)) => record.clone(),
            _ => OrgRecord::default(),
        })
    }

    /// The one door for entries: what is too old for one is archived on the way.
    pub fn put_entry(&mut self, key: &Key, mut entry: Entry) -> Result<(), Needs> {
        if let Key::Phone(org, phone) = key {
            archive::settle(&mut entry, org, *phone, self)?;
        }
        self.put(key.clone(), Record::Entry(entry));
        Ok(())
    }

    /// Writes a whole record; a later write of the same key replaces it.
    pub fn put(&mut self, key: Key, record: Record) {
        self.write(key, Some(record));
    }

    pub fn delete(&mut self, key: Key) {
        self.write(key, None);
    }

    fn write(&mut self, key: Key, record: Option<Record>) {
        match self.judgement.writes.iter_mut().find(|(written, _)| *written == key) {
            Some(slot) => slot.1 = record,
            None => self.judgement.writes.push((key, record)),
        }
    }

    /// Follows from the record that is judged.
    pub fn emit(&mut self, what: Consequence) {
        let source = Source::Record(self.cause.clone());
        self.judgement.effects.push(Effect { source, what });
    }

    /// Follows from a timer that was due at `due`.
    pub fn emit_timer(&mut self, due: Instant, what: Consequence) {
        self.judgement.effects.push(Effect {
            source: Source::Timer(due),
            what,
        });
    }

    /// The judgement, without what would only be written as it stands already.
    #[must_use]
    pub fn finish(mut self) -> Judgement {
        let view = self.view;
        self.judgement
            .writes
            .retain(|(key, record)| match (view.get(key), record) {
                (Known::Here(old), Some(new)) => *old != *new,
                (Known::Absent, None) => false,
                _ => true,
            });
        self.judgement
    }
}
