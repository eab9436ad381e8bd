//! Every key that the index has in Redis, and why it is named so. Nothing else in the program makes one.
//!
//! `{<prefix>:<partition>}` begins each key of a partition: the braces are Redis Cluster's hash tag, so all of them live in one
//! slot and one script can reach them. What belongs to a build carries its generation, so a new build shares no key with an
//! older one, and an older one can be given back without looking at the new.
//!
//! | key after the tag | type | holds |
//! | --- | --- | --- |
//! | `:marker` | hash | the marker's fields: `incarnation`, `generation`, `format`, `offset`, `begun_at`, `applied_until` |
//! | `:generations` | set | every generation begun and not yet swept |
//! | `:<generation>:v:<00..ff>` | hash | values under their keys, spread over 256 buckets |
//! | `:<generation>:c:<clock>` | sorted set | a clock's members by the instant they start from (ms) |
//! | `:<generation>:clocks` | set | the names of the clocks that have members |
//!
//! Values stand in hashes rather than under keys of their own: an entry takes some 60 bytes less, a build's keys are known by
//! name and need no SCAN of the whole store to be given back, and one partition can be walked without meeting the others.
//! 256 buckets keep each small enough to move when a cluster is resharded (4 MB at five million entries of 200 bytes).
//! The bucket of a key is part of the layout: whoever changes it, or anything above, must raise the oldest format that is read
//! beyond all that was written before, so that every index is built anew.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// How many hashes the values of a build are spread over.
pub const BUCKETS: usize = 256;

/// The keys of one partition.
pub struct Keys {
    tag: String,
}

impl Keys {
    pub fn new(prefix: &str, partition: i32) -> Self {
        Keys {
            tag: format!("{{{prefix}:{partition}}}"),
        }
    }

    pub fn marker(&self) -> Vec<u8> {
        format!("{}:marker", self.tag).into_bytes()
    }

    pub fn generations(&self) -> Vec<u8> {
        format!("{}:generations", self.tag).into_bytes()
    }

    pub fn values(&self, generation: Uuid, bucket: u8) -> Vec<u8> {
        format!("{}:{}:v:{bucket:02x}", self.tag, generation.simple()).into_bytes()
    }

    pub fn clock(&self, generation: Uuid, name: &[u8]) -> Vec<u8> {
        let mut key = format!("{}:{}:c:", self.tag, generation.simple()).into_bytes();
        key.extend_from_slice(name);
        key
    }

    pub fn clocks(&self, generation: Uuid) -> Vec<u8> {
        format!("{}:{}:clocks", self.tag, generation.simple()).into_bytes()
    }
}

/// The bucket of a value's key: SipHash-1-3 with a zero key, its lowest byte.
pub fn bucket(key: &[u8]) -> u8 {
    let mut hasher = SipHasher13::new();
    hasher.write(key);
    hasher.finish().to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_stays() {
        let (keys, generation) = (Keys::new("router", 7), Uuid::from_u128(0xa1));
        let text = |key: Vec<u8>| String::from_utf8(key).unwrap();
        assert_eq!(text(keys.marker()), "{router:7}:marker");
        assert_eq!(text(keys.generations()), "{router:7}:generations");
        let build = "{router:7}:000000000000000000000000000000a1";
        assert_eq!(text(keys.values(generation, 10)), format!("{build}:v:0a"));
        assert_eq!(text(keys.clock(generation, b"age:acme")), format!("{build}:c:age:acme"));
        assert_eq!(text(keys.clocks(generation)), format!("{build}:clocks"));
        assert_eq!([b"".as_slice(), b"a", b"acme:+491701234567"].map(bucket), [44, 19, 133]);
    }
}
