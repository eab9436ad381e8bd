//! UUIDs of version 5 (RFC 9562, 5.5), with the processor's own SHA-1 where it has one.

use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

/// The id of these parts, one after the other, within the namespace.
#[must_use]
pub fn uuid5(namespace: &Uuid, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha1::new_with_prefix(namespace.as_bytes());
    parts.iter().for_each(|part| hash.update(part));
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_rfc() {
        // RFC 9562, appendix A.4.
        let expected = Uuid::from_u128(0x2ed6_657d_e927_568b_95e1_2665_a8ae_a6a2);
        assert_eq!(uuid5(&Uuid::NAMESPACE_DNS, &[b"www.", b"example", b".com"]), expected);
    }
}
