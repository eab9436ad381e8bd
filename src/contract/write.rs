//! Writing JSON: phones, ids, instants and words of the domain as the contracts spell them, fields in their order.

use super::instant;
use super::words::Word;
use crate::domain::ids::{ChatroomId, CrmId};
use crate::domain::phone::Phone;
use crate::domain::time::Instant;
use serde::{Serialize, Serializer};

/// By its text: ids of chatrooms, and phones in E.164 with `+`.
pub struct Shown<T>(pub T);

impl Serialize for Shown<ChatroomId> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text(&mut [0; 40]))
    }
}

impl Serialize for Shown<Phone> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text(&mut [0; 21]))
    }
}

/// RFC 3339, UTC.
pub struct Utc(pub Instant);

impl Serialize for Utc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&instant::format(self.0))
    }
}

/// A value by its word.
pub struct As<T>(pub T);

impl<T: Word> Serialize for As<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

/// A chatroom without a contact is an affiliate's.
#[must_use]
pub fn chatroom_kind(crm_id: Option<&CrmId>) -> &'static str {
    if crm_id.is_some() { "CONTACT" } else { "AFFILIATE" }
}

#[must_use]
pub fn crm_ids(ids: &[CrmId]) -> Vec<&str> {
    ids.iter().map(CrmId::as_str).collect()
}

pub type Id = Shown<ChatroomId>;
pub type E164 = Shown<Phone>;

/// Compact JSON. Most outputs fit the first allocation.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut bytes, value)?;
    Ok(bytes)
}
