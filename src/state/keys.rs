//! The keys of changelog and index. None holds a phone, a contact's id or a user's id in clear: only a keyed hash of it.

use super::homes::home_parts;
use crate::domain::phone::PhoneText;
use crate::domain::record::{Key, MemoryKind};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::fmt;
use std::hash::Hasher;
use uuid::Uuid;

/// What a record is, as the first byte of its key. Never given a second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Phone,
    User,
    Contact,
    Chatroom,
    Org,
    /// A bucket of remembered message ids.
    Messages,
    /// A bucket of remembered request ids.
    Requests,
    Archive,
    Progress,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Phone,
        Self::User,
        Self::Contact,
        Self::Chatroom,
        Self::Org,
        Self::Messages,
        Self::Requests,
        Self::Archive,
        Self::Progress,
    ];

    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::User => "user",
            Self::Contact => "contact",
            Self::Chatroom => "chatroom",
            Self::Org => "org",
            Self::Messages => "messages",
            Self::Requests => "requests",
            Self::Archive => "archive",
            Self::Progress => "progress",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Phone => b'p',
            Self::User => b'u',
            Self::Contact => b'c',
            Self::Chatroom => b'r',
            Self::Org => b'o',
            Self::Messages => b'm',
            Self::Requests => b'q',
            Self::Archive => b'a',
            Self::Progress => b'!',
        }
    }

    /// The bytes after the first: a hash, and for what comes in blocks the block's number.
    const fn length(self) -> usize {
        match self {
            Self::Progress => 0,
            Self::Messages | Self::Requests => 1 + HASH + BLOCK,
            Self::Archive => HASH + BLOCK,
            _ => HASH,
        }
    }
}

const HASH: usize = 16;
const BLOCK: usize = 4;
const LONGEST: usize = 2 + HASH + BLOCK;

/// The key of a record in changelog and index: `<kind><hash>`, buckets `<kind><owner's kind><hash><block>`, archive blocks
/// `<kind><hash><block>`, and for the progress record `!` alone. Block numbers are big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    kind: Kind,
    length: u8,
    bytes: [u8; LONGEST],
}

impl RecordKey {
    pub const PROGRESS: Self = Self::new(Kind::Progress);

    const fn new(kind: Kind) -> Self {
        let mut bytes = [0; LONGEST];
        bytes[0] = kind.byte();
        Self { kind, length: 1, bytes }
    }

    fn push(&mut self, more: &[u8]) {
        let start = usize::from(self.length);
        for (to, from) in self.bytes[start..].iter_mut().zip(more) {
            *to = *from;
            self.length += 1;
        }
    }

    /// None: a key that this program never wrote.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let kind = *Kind::ALL.iter().find(|kind| kind.byte() == *first)?;
        if rest.len() != kind.length() {
            return None;
        }
        let mut key = Self::new(kind);
        key.push(rest);
        Some(key)
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl AsRef<[u8]> for RecordKey {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The kind and then hex: safe for logs, as nothing personal is in it.
impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, rest) = self.as_bytes().split_at(1);
        write!(f, "{}", kind.escape_ascii())?;
        rest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The secret that keys all hashes of the state. Another one finds nothing of what was written under this.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StateKey([u8; HASH]);

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(secret)")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state key has to be 16 bytes, or 32 hex digits; these are {0} bytes")]
pub struct BadStateKey(pub usize);

/// Keys the hash that makes a state key of an incarnation. No secret; only fixed.
const OF_INCARNATION: &[u8; HASH] = b"chatroom-router/";

impl StateKey {
    #[must_use]
    pub const fn new(secret: [u8; HASH]) -> Self {
        Self(secret)
    }

    /// The content of `state.key_file`: 32 hex digits, white space around them allowed, or 16 bytes as they are.
    pub fn from_file(content: &[u8]) -> Result<Self, BadStateKey> {
        let digits = content.trim_ascii();
        if digits.len() == 2 * HASH
            && digits.iter().all(u8::is_ascii_hexdigit)
            && let Ok(text) = std::str::from_utf8(digits)
            && let Ok(number) = u128::from_str_radix(text, 16)
        {
            return Ok(Self(number.to_be_bytes()));
        }
        content.try_into().map(Self).map_err(|_| BadStateKey(content.len()))
    }

    /// Where no key file is configured. It hides phones from whoever sees keys alone, not from whoever knows the incarnation.
    #[must_use]
    pub fn of_incarnation(incarnation: Uuid) -> Self {
        let hash = sip128(OF_INCARNATION, &[incarnation.as_bytes()]);
        Self(hash.to_be_bytes())
    }

    /// Tells another key file from this one and gives nothing of it away. Stands in the progress record.
    #[must_use]
    pub fn check_value(&self) -> u64 {
        sip128(&self.0, &[b"check value"]) as u64
    }

    #[must_use]
    pub fn record_key(&self, key: &Key) -> RecordKey {
        match key {
            Key::Phone(..) => self.hashed(Kind::Phone, key),
            Key::User(..) => self.hashed(Kind::User, key),
            Key::Contact(..) => self.hashed(Kind::Contact, key),
            Key::Chatroom(..) => self.hashed(Kind::Chatroom, key),
            Key::Org(..) => self.hashed(Kind::Org, key),
            Key::Ids(owner, memory, block) => {
                let mut bucket = RecordKey::new(match memory {
                    MemoryKind::Messages => Kind::Messages,
                    MemoryKind::Requests => Kind::Requests,
                });
                bucket.push(self.record_key(owner).as_bytes());
                bucket.push(&block.to_be_bytes());
                bucket
            }
            Key::Archive(_, _, block) => {
                let mut archive = self.hashed(Kind::Archive, key);
                archive.push(&block.to_be_bytes());
                archive
            }
        }
    }

    /// The key for the hashes of message and request ids that records remember. Not the secret itself: a hash of the one sort
    /// can then say nothing about a hash of the other.
    #[must_use]
    pub fn id_key(&self) -> [u8; HASH] {
        sip128(&self.0, &[b"key of ids"]).to_be_bytes()
    }

    /// The kind is part of what is hashed: a contact may be called as a phone is.
    fn hashed(&self, kind: Kind, key: &Key) -> RecordKey {
        let mut room = PhoneText::default();
        let [org, colon, of] = home_parts(key, &mut room).map(str::as_bytes);
        let hash = sip128(&self.0, &[&[kind.byte(), b':'], org, colon, of]);
        let mut record_key = RecordKey::new(kind);
        record_key.push(&hash.to_be_bytes());
        record_key
    }
}

fn sip128(key: &[u8; HASH], parts: &[&[u8]]) -> u128 {
    let mut hasher = SipHasher24::new_with_key(key);
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish128().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ChatroomName, CrmId, OrgId, UserId};
    use crate::domain::phone::Phone;
    use std::collections::HashSet;

    const KEY: StateKey = StateKey::new([7; 16]);

    fn keys_that_look_alike() -> Vec<Key> {
        let org = || OrgId::parse("acme").unwrap();
        let phone = Key::Phone(org(), Phone(919_812_345_678));
        let user = Key::User(org(), UserId::parse("+919812345678").unwrap());
        let mut keys = vec![
            Key::Contact(org(), CrmId::parse("+919812345678").unwrap()),
            Key::Chatroom(org(), ChatroomName::parse("+919812345678").unwrap()),
            Key::Org(org()),
            Key::Archive(org(), Phone(919_812_345_678), 0),
            Key::Archive(org(), Phone(919_812_345_678), 1),
        ];
        for owner in [phone.clone(), user.clone(), Key::Org(org())] {
            for (kind, block) in [
                (MemoryKind::Messages, 0),
                (MemoryKind::Requests, 0),
                (MemoryKind::Messages, 258),
            ] {
                keys.push(Key::Ids(Box::new(owner.clone()), kind, block));
            }
        }
        keys.extend([phone, user]);
        keys
    }

    #[test]
    fn every_record_has_a_key_of_its_own_that_parses() {
        let keys = keys_that_look_alike();
        let made: HashSet<RecordKey> = keys.iter().map(|key| KEY.record_key(key)).collect();
        assert_eq!(made.len(), keys.len());
        for key in made.into_iter().chain([RecordKey::PROGRESS]) {
            assert_eq!(RecordKey::parse(key.as_bytes()), Some(key), "{key}");
        }
        for wrong in ["", "!x", "p", "pshort", "?0123456789abcdef", "p0123456789abcdef0"] {
            assert_eq!(RecordKey::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn keys_hold_nothing_personal() {
        for key in keys_that_look_alike() {
            let bytes = KEY.record_key(&key).as_bytes().to_vec();
            let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            assert!(!holds(b"9198") && !holds(b"5678"), "{key:?}");
            assert!(!holds(&919_812_345_678_u64.to_be_bytes()[3..]));
        }
    }

    #[test]
    fn keys_stay_what_they_were() {
        let shown: Vec<String> = keys_that_look_alike()[..7]
            .iter()
            .map(|key| KEY.record_key(key).to_string())
            .collect();
        assert_eq!(shown, GOLDEN);
        assert_eq!(KEY.check_value(), GOLDEN_CHECK);
        assert_eq!(u128::from_be_bytes(KEY.id_key()), GOLDEN_ID_KEY);
    }

    const GOLDEN: [&str; 7] = [
        "c346c99fb85633d38d8c4c5197a8f87c6",
        "r6e11017564c07e6a086f28343f75e1d8",
        "o02406c03003a1ddea807f5c50f8f9b52",
        "a856857ebe87a239922599580176b202100000000",
        "a856857ebe87a239922599580176b202100000001",
        "m707df2bfb4d6e22ca022fd1b0fadb2f0fc00000000",
        "q707df2bfb4d6e22ca022fd1b0fadb2f0fc00000000",
    ];
    const GOLDEN_CHECK: u64 = 629299552065639386;
    const GOLDEN_ID_KEY: u128 = 43246454520138748581288871134576651121;

    #[test]
    fn another_secret_finds_nothing() {
        let other = StateKey::of_incarnation(Uuid::from_u128(5));
        assert_ne!(other, StateKey::of_incarnation(Uuid::from_u128(6)));
        assert_ne!(other.check_value(), KEY.check_value());
        for key in keys_that_look_alike() {
            assert_ne!(other.record_key(&key), KEY.record_key(&key));
        }
    }

    #[test]
    fn a_key_file_holds_hex_or_bytes() {
        let hex = b"07070707070707070707070707070707\n";
        assert_eq!(StateKey::from_file(hex), Ok(KEY));
        assert_eq!(StateKey::from_file(&[7; 16]), Ok(KEY));
        assert_eq!(StateKey::from_file(b"short\n"), Err(BadStateKey(6)));
        assert_eq!(
            StateKey::from_file(b"g7070707070707070707070707070707"),
            Err(BadStateKey(32))
        );
        assert_eq!(format!("{KEY:?}"), "StateKey(secret)");
    }
}
