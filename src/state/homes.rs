//! The home of a key: the one partition whose task judges it. Nothing here depends on where a record came in.

use crate::domain::ids::{OrgId, Slot};
use crate::domain::phone::PhoneText;
use crate::domain::record::Key;

/// Partitions are told apart by the low 12 bits of a hash; no number of partitions asks for more.
const SLOT_MASK: u16 = 0xfff;
const MAX_PARTITIONS: i32 = 256;

/// P, the number of partitions of `router-commands` and `router-changelog`: a power of two up to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} partitions can't be: give a power of two from 1 to 256")]
pub struct BadPartitions(pub i32);

impl Partitions {
    pub fn new(count: i32) -> Result<Self, BadPartitions> {
        match u16::try_from(count) {
            Ok(small) if count <= MAX_PARTITIONS && small.is_power_of_two() => Ok(Self(small)),
            _ => Err(BadPartitions(count)),
        }
    }

    #[must_use]
    pub fn count(self) -> i32 {
        i32::from(self.0)
    }

    #[must_use]
    pub fn of(self, slot: Slot) -> i32 {
        i32::from(slot.0 & (self.0 - 1))
    }

    /// The task that reads partition `input` of an input topic.
    #[must_use]
    pub fn of_input(self, input: i32) -> i32 {
        input & (self.count() - 1)
    }
}

/// Finds homes. The hash is Kafka's own (murmur2), handed in, so that a record under the recommended key is at home where it
/// arrives.
#[derive(Debug, Clone, Copy)]
pub struct Homes {
    murmur2_slot: fn(&[u8]) -> u16,
    partitions: Partitions,
}

impl Homes {
    #[must_use]
    pub fn new(murmur2_slot: fn(&[u8]) -> u16, partitions: Partitions) -> Self {
        Self {
            murmur2_slot,
            partitions,
        }
    }

    #[must_use]
    pub fn partitions(&self) -> Partitions {
        self.partitions
    }

    #[must_use]
    pub fn slot_of(&self, key: &Key) -> Slot {
        match key {
            Key::Chatroom(_, name) => match name.id() {
                Some(id) => Slot(id.slot.0 & SLOT_MASK),
                None => self.hashed(key),
            },
            Key::Ids(owner, ..) => self.slot_of(owner),
            _ => self.hashed(key),
        }
    }

    #[must_use]
    pub fn partition_of(&self, key: &Key) -> i32 {
        self.partitions.of(self.slot_of(key))
    }

    fn hashed(&self, key: &Key) -> Slot {
        Slot((self.murmur2_slot)(home_text(key).as_bytes()) & SLOT_MASK)
    }
}

/// The text whose hash is the home of a key: also the recommended key of the records that are about it. What belongs to a
/// record stands at its owner's home.
#[must_use]
pub fn home_text(key: &Key) -> String {
    home_parts(key, &mut PhoneText::default()).concat()
}

/// The same in parts, for who only hashes it.
pub(super) fn home_parts<'a>(key: &'a Key, room: &'a mut PhoneText) -> [&'a str; 3] {
    let joined = |org: &'a OrgId, of: &'a str| [org.as_str(), ":", of];
    match key {
        Key::Phone(org, phone) | Key::Archive(org, phone, _) => joined(org, phone.text(room)),
        Key::User(org, user) => joined(org, user.as_str()),
        Key::Contact(org, crm_id) => joined(org, crm_id.as_str()),
        Key::Chatroom(org, name) => joined(org, name.as_str()),
        Key::Org(org) => [org.as_str(), "", ""],
        Key::Ids(owner, ..) => home_parts(owner, room),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ChatroomName, CrmId, OrgId, UserId};
    use crate::domain::phone::Phone;
    use crate::domain::record::MemoryKind;

    /// Stands in for murmur2: the last two bytes.
    fn tail(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |hash, byte| hash << 8 | u16::from(*byte))
    }

    fn org() -> OrgId {
        OrgId::parse("acme").unwrap()
    }

    fn chatroom(name: &str) -> Key {
        Key::Chatroom(org(), ChatroomName::parse(name).unwrap())
    }

    #[test]
    fn the_text_of_a_home_is_the_recommended_key() {
        let phone = Key::Phone(org(), Phone(919_812_345_678));
        let rows = [
            (phone.clone(), "acme:+919812345678"),
            (Key::Archive(org(), Phone(919_812_345_678), 3), "acme:+919812345678"),
            (Key::Ids(Box::new(phone), MemoryKind::Messages, 7), "acme:+919812345678"),
            (Key::Contact(org(), CrmId::parse("L-17").unwrap()), "acme:L-17"),
            (Key::User(org(), UserId::parse("u:1").unwrap()), "acme:u:1"),
            (chatroom("nonsense"), "acme:nonsense"),
            (Key::Org(org()), "acme"),
        ];
        for (key, text) in rows {
            assert_eq!(home_text(&key), text);
        }
    }

    #[test]
    fn a_chatroom_is_at_home_where_its_digits_say() {
        let homes = Homes::new(tail, Partitions::new(32).unwrap());
        let name = "1f3-0191d7a0-0000-7000-8000-000000000001";
        assert_eq!(homes.slot_of(&chatroom(name)), Slot(0x1f3));
        assert_eq!(homes.partition_of(&chatroom(name)), 0x1f3 & 31);
        let requests = Key::Ids(Box::new(chatroom(name)), MemoryKind::Requests, 0);
        assert_eq!(homes.slot_of(&requests), Slot(0x1f3));
        assert_eq!(homes.slot_of(&chatroom("zz")), Slot(0xa7a), "of no shape: by its text");
    }

    #[test]
    fn growth_splits_each_partition_in_two() {
        for slot in (0..=SLOT_MASK).map(Slot) {
            let small = Partitions::new(32).unwrap().of(slot);
            let large = Partitions::new(64).unwrap().of(slot);
            assert!(large == small || large == small + 32);
        }
    }

    #[test]
    fn only_powers_of_two_up_to_256_will_do() {
        let good: Vec<i32> = (-5..1_000).filter(|&count| Partitions::new(count).is_ok()).collect();
        assert_eq!(good, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(Partitions::new(32).unwrap().of_input(33), 1);
    }
}
