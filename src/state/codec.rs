//! A record, or a step on its way to another home, as one value: format, kind, content. Nothing here is ever half read.

use super::keys::{Kind, RecordKey};
use super::wire::{DecodeError, Format, Reader, Wire, Writer, fields};
use crate::domain::effect::Passed;
use crate::domain::entry::Entry;
use crate::domain::event::Cause;
use crate::domain::ids::OrgId;
use crate::domain::phone::Phone;
use crate::domain::record::{Key, Record};
use crate::domain::timers::{Clocks, clocks};
use std::sync::Arc;

/// Whose entry it is: the sweep finds an entry by its record key alone, and has to name its phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub org: OrgId,
    /// None once neither contact nor chatroom is left: nothing then is due, and an erased phone may not be kept (C5).
    pub phone: Option<Phone>,
}

fields!(Subject { org, phone });

impl Subject {
    fn of(org: &OrgId, phone: Phone, entry: &Entry) -> Self {
        let is_empty = entry.contacts.is_empty() && entry.chatrooms.is_empty() && entry.archived == 0;
        Self {
            org: org.clone(),
            phone: (!is_empty).then_some(phone),
        }
    }

    #[must_use]
    pub fn key(&self) -> Option<Key> {
        self.phone.map(|phone| Key::Phone(self.org.clone(), phone))
    }
}

/// What a value says of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Live {
        /// Of a phone's entry only.
        subject: Option<Subject>,
        record: Arc<Record>,
    },
    /// The phone's entry was deleted. It is no tombstone, which could not say of which org it was: from this the clocks, kept
    /// per org, are cleared when the changelog is replayed.
    Gone(OrgId),
}

impl Value {
    #[must_use]
    pub fn into_record(self) -> Option<Arc<Record>> {
        match self {
            Self::Live { record, .. } => Some(record),
            Self::Gone(_) => None,
        }
    }
}

/// The kinds of values. A number is never given to another kind.
mod kind {
    pub const PHONE: u8 = 1;
    pub const USER: u8 = 2;
    pub const DIRECTORY: u8 = 3;
    pub const CHATROOM: u8 = 4;
    pub const ORG: u8 = 5;
    pub const IDS: u8 = 6;
    pub const ARCHIVE: u8 = 7;
    pub const GONE: u8 = 8;
    pub const STEP: u8 = 9;
}

/// The changelog's value. None: a tombstone.
#[must_use]
pub fn encode(format: Format, key: &Key, record: Option<&Record>) -> Option<Vec<u8>> {
    let mut writer = Writer::new(format);
    match (key, record) {
        (Key::Phone(org, _), None) => put(&mut writer, kind::GONE, org),
        (_, None) => return None,
        (Key::Phone(org, phone), Some(Record::Entry(entry))) => {
            put(&mut writer, kind::PHONE, &Subject::of(org, *phone, entry));
            if format >= Format::CLOCKS_FIRST {
                clocks(entry).put(&mut writer);
            }
            entry.put(&mut writer);
        }
        (_, Some(Record::Entry(entry))) => put(&mut writer, kind::USER, entry),
        (_, Some(Record::Directory(directory))) => put(&mut writer, kind::DIRECTORY, directory),
        (_, Some(Record::Chatroom(chatroom))) => put(&mut writer, kind::CHATROOM, chatroom),
        (_, Some(Record::Org(org))) => put(&mut writer, kind::ORG, org),
        (_, Some(Record::Ids(ids))) => put(&mut writer, kind::IDS, ids),
        (_, Some(Record::Archive(chatrooms))) => put(&mut writer, kind::ARCHIVE, chatrooms),
    }
    Some(writer.bytes)
}

fn put(writer: &mut Writer, kind: u8, content: &impl Wire) {
    writer.byte(kind);
    content.put(writer);
}

/// Reads a value that stood under this key, in the changelog or in the index.
pub fn decode(key: &RecordKey, bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes)?;
    let tag = reader.byte()?;
    let value = match (key.kind(), tag) {
        (Kind::Phone, kind::GONE) => Value::Gone(Wire::take(&mut reader)?),
        (Kind::Phone, kind::PHONE) => {
            let subject = Some(Wire::take(&mut reader)?);
            if reader.format >= Format::CLOCKS_FIRST {
                Clocks::take(&mut reader)?;
            }
            let record = Arc::new(Record::Entry(Wire::take(&mut reader)?));
            Value::Live { subject, record }
        }
        (Kind::User, kind::USER) => live(Record::Entry(Wire::take(&mut reader)?)),
        (Kind::Contact, kind::DIRECTORY) => live(Record::Directory(Wire::take(&mut reader)?)),
        (Kind::Chatroom, kind::CHATROOM) => live(Record::Chatroom(Wire::take(&mut reader)?)),
        (Kind::Org, kind::ORG) => live(Record::Org(Wire::take(&mut reader)?)),
        (Kind::Messages | Kind::Requests, kind::IDS) => live(Record::Ids(Wire::take(&mut reader)?)),
        (Kind::Archive, kind::ARCHIVE) => live(Record::Archive(Wire::take(&mut reader)?)),
        _ => return Err(DecodeError::WrongKind { key: *key, tag }),
    };
    reader.end()?;
    Ok(value)
}

/// Whose entry a value is, without reading the entry. None: it is no entry of a phone.
#[must_use]
pub fn subject(bytes: &[u8]) -> Option<Subject> {
    let mut reader = Reader::new(bytes).ok()?;
    (reader.byte().ok()? == kind::PHONE)
        .then(|| Wire::take(&mut reader).ok())
        .flatten()
}

/// Whose entry a value is, and where its clocks start, without reading the entry. None: only the whole value says so.
pub fn head(bytes: &[u8]) -> Result<Option<(Subject, Clocks)>, DecodeError> {
    let mut reader = Reader::new(bytes)?;
    if reader.format < Format::CLOCKS_FIRST || reader.byte()? != kind::PHONE {
        return Ok(None);
    }
    Ok(Some((Wire::take(&mut reader)?, Wire::take(&mut reader)?)))
}

fn live(record: Record) -> Value {
    Value::Live {
        subject: None,
        record: Arc::new(record),
    }
}

/// A step for `router-commands`, with the record that it follows from.
#[must_use]
pub fn encode_step(format: Format, cause: &Cause, passed: &Passed) -> Vec<u8> {
    let mut writer = Writer::new(format);
    put(&mut writer, kind::STEP, cause);
    passed.put(&mut writer);
    writer.bytes
}

pub fn decode_step(bytes: &[u8]) -> Result<(Cause, Passed), DecodeError> {
    let mut reader = Reader::new(bytes)?;
    match reader.byte()? {
        kind::STEP => {}
        tag => return Err(DecodeError::UnknownTag { what: "a step", tag }),
    }
    let step = (Wire::take(&mut reader)?, Wire::take(&mut reader)?);
    reader.end()?;
    Ok(step)
}
