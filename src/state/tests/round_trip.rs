//! Whatever is written is read back the same, and whatever is read is never a panic.

use super::arbitrary::stored;
use super::arbitrary_commands::{cause, passed};
use crate::domain::record::Key;
use crate::state::clocks::{clocks_of, replay};
use crate::state::codec::{Value, decode, decode_step, encode, encode_step, subject};
use crate::state::keys::{RecordKey, StateKey};
use crate::state::progress::Progress;
use crate::state::wire::{DecodeError, Format, Reader, Wire, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

const KEY: StateKey = StateKey::new([7; 16]);

fn read_anything(bytes: &[u8], keys: &[RecordKey]) {
    for key in keys {
        let _ = decode(key, bytes);
        let _ = replay(key, Some(bytes));
    }
    let _ = decode_step(bytes);
    let _ = Progress::decode(bytes);
}

#[test]
fn numbers_come_back_at_their_limits() {
    fn comes_back<T: Wire + PartialEq + Copy + std::fmt::Debug>(numbers: &[T]) {
        for number in numbers {
            let mut writer = Writer::new(Format::NEWEST);
            number.put(&mut writer);
            let mut reader = Reader::new(&writer.bytes).unwrap();
            assert_eq!(T::take(&mut reader), Ok(*number));
            assert_eq!(reader.end(), Ok(()));
        }
    }
    comes_back(&[0, 1, 127, 128, 16_383, 16_384, u64::MAX]);
    comes_back(&[0, -1, 63, 64, -64, -65, i64::MAX, i64::MIN]);
    comes_back(&[i32::MIN, i32::MAX]);
    let too_large = |bytes: &[u8]| Reader::new(bytes).and_then(|mut reader| u32::take(&mut reader));
    assert_eq!(
        too_large(&[1, 0xff, 0xff, 0xff, 0xff, 0x1f]),
        Err(DecodeError::NumberTooLarge)
    );
    assert_eq!(
        too_large(&[[1].as_slice(), &[0xff; 11]].concat()),
        Err(DecodeError::NumberTooLarge)
    );
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was((key, record) in stored()) {
        let record_key = KEY.record_key(&key);
        let bytes = encode(Format::NEWEST, &key, Some(&record)).unwrap();
        let (subject, record) = (subject(&bytes), Arc::new(record));
        let live = Value::Live { subject: subject.clone(), record: Arc::clone(&record) };
        prop_assert_eq!(decode(&record_key, &bytes), Ok(live));
        prop_assert_eq!(encode(Format::NEWEST, &key, Some(&record)), Some(bytes.clone()));
        prop_assert_eq!(subject.is_some(), matches!(key, Key::Phone(..)));
        if let Some(subject) = subject {
            let ticks = clocks_of(Some(&record)) != Default::default();
            let named = subject.key();
            prop_assert!(named.is_none() && !ticks || named.as_ref() == Some(&key));
            prop_assert!(matches!(&key, Key::Phone(org, _) if *org == subject.org));
        }
        // No byte may be missing, and none left over.
        for end in 0..bytes.len() {
            prop_assert!(decode(&record_key, &bytes[..end]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(decode(&record_key, &longer).is_err());
    }

    #[test]
    fn a_deleted_record_says_so_and_clears_its_clocks((key, _) in stored()) {
        let record_key = KEY.record_key(&key);
        let value = encode(Format::NEWEST, &key, None);
        prop_assert_eq!(value.is_some(), matches!(key, Key::Phone(..)));
        if let Some(bytes) = &value {
            prop_assert_eq!(decode(&record_key, bytes).map(Value::into_record), Ok(None));
        }
        let ops = replay(&record_key, value.as_deref()).unwrap();
        prop_assert_eq!(ops.len(), if value.is_some() { 3 } else { 1 });
    }

    #[test]
    fn a_step_comes_back_as_it_was(cause in cause(), passed in passed()) {
        let bytes = encode_step(Format::NEWEST, &cause, &passed);
        prop_assert_eq!(decode_step(&bytes), Ok((cause, passed)));
        for end in 0..bytes.len() {
            prop_assert!(decode_step(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn a_damaged_value_is_an_error_or_another_value((key, record) in stored(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(Format::NEWEST, &key, Some(&record)).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_anything(&bytes, &[KEY.record_key(&key)]);
    }

    #[test]
    fn noise_is_no_panic((key, _) in stored(), kind in 0..12_u8, noise in vec(any::<u8>(), 0..60)) {
        let bytes = [&[1, kind][..], &noise].concat();
        read_anything(&bytes, &[KEY.record_key(&key), RecordKey::PROGRESS]);
        read_anything(&noise, &[KEY.record_key(&key), RecordKey::PROGRESS]);
    }
}
