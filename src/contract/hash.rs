//! Keyed hashes of ids. Message ids are personal data (a `wamid` decodes to a phone): none is kept in clear.

use crate::domain::ids::IdHash;
use siphasher::sip128::SipHasher24;

/// SipHash-2-4 with 128 bits: nobody who lacks the key can make two ids meet, or find one from its hash.
#[derive(Clone, Copy)]
pub struct IdHasher(SipHasher24);

impl IdHasher {
    #[must_use]
    pub fn new(key: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    #[must_use]
    pub fn hash(&self, id: &str) -> IdHash {
        IdHash(self.0.hash(id.as_bytes()).as_u128())
    }
}

/// Without the key.
impl std::fmt::Debug for IdHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_siphash_of_the_key() {
        // The reference implementation's vector of fifteen bytes: key 00..0f, input 00..0e.
        let key: [u8; 16] = std::array::from_fn(|i| i as u8);
        let input: String = (0..15).map(|i: u8| char::from(i)).collect();
        let expected = [
            0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9,
        ];
        assert_eq!(IdHasher::new(&key).hash(&input), IdHash(u128::from_le_bytes(expected)));
        assert_ne!(IdHasher::new(&[1; 16]).hash(&input), IdHasher::new(&key).hash(&input));
    }
}
