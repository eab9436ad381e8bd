//! Identifiers: parsed once, valid ever after. Texts hold 1 to 128 characters and no control characters.

use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

const MAX_CHARS: usize = 128;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    #[error("is empty: give 1 to 128 characters")]
    Empty,
    #[error("is longer than 128 characters")]
    TooLong,
    #[error("holds a control character")]
    ControlCharacter,
    #[error("holds a ':', which separates an org from its phones in keys")]
    Colon,
}

fn checked(text: &str, colon_allowed: bool) -> Result<(), IdFault> {
    if text.is_empty() {
        return Err(IdFault::Empty);
    }
    if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
        return Err(IdFault::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(IdFault::ControlCharacter);
    }
    if !colon_allowed && text.contains(':') {
        return Err(IdFault::Colon);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, colon $colon:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, IdFault> {
                checked(text, $colon)?;
                Ok(Self(Arc::from(text)))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id!(
    /// A tenant. It is part of every key.
    OrgId, colon false
);
text_id!(
    /// A contact's id in its org's CRM.
    CrmId, colon true
);
text_id!(
    /// Names one command of one target (K2).
    RequestId, colon true
);
text_id!(
    /// A business-scoped user id, which stands in the place of a phone (P3).
    UserId, colon true
);
text_id!(
    /// A reference of the CRM's own, carried along.
    ExternalRefId, colon true
);
text_id!(
    /// A chatroom as a command names it: any text, since what is no `ChatroomId` is `CHATROOM_NOT_FOUND`.
    ChatroomName, colon true
);

impl ChatroomName {
    /// The id, if the text has the shape of one.
    #[must_use]
    pub fn id(&self) -> Option<ChatroomId> {
        ChatroomId::parse(self.as_str())
    }
}

impl From<ChatroomId> for ChatroomName {
    fn from(id: ChatroomId) -> Self {
        Self(Arc::from(id.to_string()))
    }
}

/// The low 12 bits of the murmur2 hash of a key: from them follows the home partition, whatever their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// `<three hex digits>-<uuid>`: the digits are the slot of the phone's key, so that the home is known from the id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatroomId {
    pub slot: Slot,
    pub uuid: Uuid,
}

impl ChatroomId {
    /// Only the shape that we write: lower case, hyphenated.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, uuid) = text.split_once('-')?;
        let slot = u16::from_str_radix(digits, 16).ok()?;
        let id = Self {
            slot: Slot(slot),
            uuid: Uuid::try_parse(uuid).ok()?,
        };
        (id.to_string() == text).then_some(id)
    }
}

/// Room for the text of a chatroom's id.
pub type ChatroomText = [u8; 40];

impl ChatroomId {
    /// It stands in every output several times, so it is put together without the standard library's formatting.
    pub fn text(self, room: &mut ChatroomText) -> &str {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for (place, shift) in [8, 4, 0].into_iter().enumerate() {
            room[place] = HEX[usize::from(self.slot.0 >> shift & 0xf)];
        }
        room[3] = b'-';
        self.uuid.hyphenated().encode_lower(&mut room[4..]);
        std::str::from_utf8(room).unwrap_or_default()
    }
}

impl fmt::Display for ChatroomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 40]))
    }
}

/// A keyed hash of a message's or a request's id: what is remembered in its place (a `wamid` decodes to a phone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdHash(pub u128);
