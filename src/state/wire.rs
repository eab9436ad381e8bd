//! How values become bytes and come back: little, versioned, and never a panic whatever the bytes are.
//!
//! Whole numbers are LEB128 (signed ones zigzag), texts and lists begin with their length, options and enums with a tag.
//! Nothing names its fields: the order of the fields and the tags *are* the format. To change a format, raise
//! [`Format::NEWEST`] and let the `Wire` of the changed type ask `reader.format` and `writer.format`; a version of the program
//! reads the format it writes and the next, so that neighbours can share one state during a rollout.

use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The layout of a value, as its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format(u8);

impl Format {
    pub const OLDEST: Self = Self(1);
    pub const NEWEST: Self = Self(2);
    /// Written unless `state.format` says otherwise: the newest that the version before can read.
    pub const DEFAULT: Self = Self(1);

    /// From this one on an entry's clocks stand before it, so that a restore need not read the rest.
    pub const CLOCKS_FIRST: Self = Self(2);

    pub fn new(number: u8) -> Result<Self, DecodeError> {
        match Self(number) {
            format if (Self::OLDEST..=Self::NEWEST).contains(&format) => Ok(format),
            _ => Err(DecodeError::UnknownFormat(number)),
        }
    }

    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why bytes are no value of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error(
        "the state is written in format {0}, and this version of the program reads formats {first} to {last}: run the version that wrote it, or one between",
        first = Format::OLDEST,
        last = Format::NEWEST
    )]
    UnknownFormat(u8),
    #[error("the value ends before it is whole")]
    Truncated,
    #[error("the value goes on for {0} bytes after its end")]
    Trailing(usize),
    #[error("{what} can't have the tag {tag}")]
    UnknownTag { what: &'static str, tag: u8 },
    #[error("a number doesn't fit its type")]
    NumberTooLarge,
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("{what} can't be what is written there: it {fault}")]
    BadId {
        what: &'static str,
        fault: crate::domain::ids::IdFault,
    },
    #[error("a value under the key {key} can't be of the kind {tag}")]
    WrongKind { key: super::keys::RecordKey, tag: u8 },
}

pub struct Writer {
    pub format: Format,
    pub bytes: Vec<u8>,
}

impl Writer {
    /// Begins with the format's number.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(format.number());
        Self { format, bytes }
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text);
    }
}

pub struct Reader<'a> {
    pub format: Format,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the format's number first.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (number, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        let format = Format::new(*number)?;
        Ok(Self { format, rest })
    }

    /// Whether nothing is left: what is written only now and then stands last.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// All has to have been read.
    pub fn end(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(DecodeError::NumberTooLarge);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::NumberTooLarge)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::NotUtf8)
    }
}

/// A type with a place in the format.
pub trait Wire: Sized {
    fn put(&self, writer: &mut Writer);
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! unsigned {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, writer: &mut Writer) {
                writer.number(u64::from(*self));
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(reader.number()?).map_err(|_| DecodeError::NumberTooLarge)
            }
        }
    )*};
}

unsigned!(u16, u32, u64);

impl Wire for i64 {
    fn put(&self, writer: &mut Writer) {
        writer.number(((self << 1) ^ (self >> 63)) as u64);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = reader.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

impl Wire for i32 {
    fn put(&self, writer: &mut Writer) {
        i64::from(*self).put(writer);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::try_from(i64::take(reader)?).map_err(|_| DecodeError::NumberTooLarge)
    }
}

impl Wire for u128 {
    fn put(&self, writer: &mut Writer) {
        writer.bytes.extend_from_slice(&self.to_be_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self::from_be_bytes)
    }
}

impl Wire for Uuid {
    fn put(&self, writer: &mut Writer) {
        self.as_u128().put(writer);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u128::take(reader).map(Self::from_u128)
    }
}

impl Wire for bool {
    fn put(&self, writer: &mut Writer) {
        writer.byte(u8::from(*self));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(DecodeError::UnknownTag { what: "a flag", tag }),
        }
    }
}

impl Wire for Arc<str> {
    fn put(&self, writer: &mut Writer) {
        writer.text(self.as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.text().map(Self::from)
    }
}

impl Wire for Arc<[u8]> {
    fn put(&self, writer: &mut Writer) {
        writer.text(self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.number()?;
        reader.take(length).map(Self::from)
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, writer: &mut Writer) {
        T::put(self, writer);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::take(reader).map(Self::new)
    }
}

impl<T: Wire> Wire for Arc<Vec<T>> {
    fn put(&self, writer: &mut Writer) {
        Vec::put(self, writer);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Vec::take(reader).map(Self::new)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, writer: &mut Writer) {
        match self {
            None => writer.byte(0),
            Some(value) => {
                writer.byte(1);
                value.put(writer);
            }
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match bool::take(reader)? {
            false => None,
            true => Some(T::take(reader)?),
        })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, writer: &mut Writer) {
        writer.number(self.len() as u64);
        self.iter().for_each(|item| item.put(writer));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.number()?;
        // A length that lies reserves little, and then finds the end.
        let mut items = Self::with_capacity(count.min(1_024) as usize);
        for _ in 0..count {
            items.push(T::take(reader)?);
        }
        Ok(items)
    }
}

/// Writes the fields in this order. A field that is missing here does not compile.
macro_rules! fields {
    ($what:ident { $($field:ident),* $(,)? }) => {
        impl Wire for $what {
            fn put(&self, writer: &mut Writer) {
                let Self { $($field),* } = self;
                $($field.put(writer);)*
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Wire::take(reader)?;)*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Writes the tag, then the fields. A tag is never given to another variant.
macro_rules! variants {
    ($what:ident $(<$generic:ident>)? {
        $($tag:literal: $name:ident $({ $($field:ident),* $(,)? })? $(( $($item:ident),* ))?),* $(,)?
    }) => {
        impl $(<$generic: Wire>)? Wire for $what $(<$generic>)? {
            fn put(&self, writer: &mut Writer) {
                match self {$(
                    Self::$name $({ $($field),* })? $(( $($item),* ))? => {
                        writer.byte($tag);
                        $($($field.put(writer);)*)?
                        $($($item.put(writer);)*)?
                    }
                )*}
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(match reader.byte()? {
                    $($tag => {
                        $($(let $field = Wire::take(reader)?;)*)?
                        $($(let $item = Wire::take(reader)?;)*)?
                        Self::$name $({ $($field),* })? $(( $($item),* ))?
                    })*
                    tag => return Err(DecodeError::UnknownTag { what: stringify!($what), tag }),
                })
            }
        }
    };
}

pub(super) use {fields, variants};
