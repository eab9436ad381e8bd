//! Reading JSON that others wrote: borrowed where it can be, a dead letter with one sentence where it can't.
//!
//! Unknown fields are ignored, absent or null is absent, a known field that stands twice is malformed. What is skipped
//! or passed on untouched may nest as deeply as it likes: serde_json walks it without recursion.

use super::{instant, phones};
use crate::domain::effect::{DeadLetter, DeadReason};
use crate::domain::ids::IdFault;
use crate::domain::phone::{PhoneFault, SpelledPhone};
use crate::domain::time::Instant;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Names of people and chatrooms.
const MAX_NAME_CHARS: usize = 128;

pub fn dead(reason: DeadReason, detail: impl Into<Arc<str>>) -> DeadLetter {
    DeadLetter {
        reason,
        detail: detail.into(),
    }
}

pub fn malformed(path: &str, fault: impl fmt::Display) -> DeadLetter {
    dead(DeadReason::Malformed, format!("{path} {fault}"))
}

pub fn bad_phone(path: &str, fault: PhoneFault) -> DeadLetter {
    dead(DeadReason::BadPhone, format!("{path} {fault}"))
}

/// The bytes of a value as a text; a record without a value holds none.
pub fn text(value: Option<&[u8]>) -> Result<&str, DeadLetter> {
    let Some(bytes) = value else {
        return Err(dead(DeadReason::NotJson, "the record has no value"));
    };
    std::str::from_utf8(bytes).map_err(|fault| {
        let detail = format!("the value is not UTF-8 from byte {} on", fault.valid_up_to());
        dead(DeadReason::NotJson, detail)
    })
}

/// Reads one JSON object. `path` says where it stands, for the sentence of a fault.
pub fn object<'a, T: Deserialize<'a>>(path: &str, json: &'a str) -> Result<T, DeadLetter> {
    match serde_json::from_str::<Object<T>>(json) {
        Ok(Object(object)) => Ok(object),
        Err(_) => Err(explained::<T>(path, json)),
    }
}

/// Reads again for the sake of the sentence: whoever writes well doesn't pay for the path.
#[cold]
fn explained<'a, T: Deserialize<'a>>(path: &str, json: &'a str) -> DeadLetter {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(json) {
        return dead(DeadReason::NotJson, format!("{path} is not JSON: {error}"));
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut reader) {
        Ok(_) => malformed(path, "can't be read"),
        Err(error) => {
            let inside = error.path().to_string();
            let dot = if inside.starts_with(['.', '[']) { "" } else { "." };
            let whole = if inside == "." {
                path.to_owned()
            } else {
                format!("{path}{dot}{inside}")
            };
            malformed(&whole, without_values(&error.inner().to_string()))
        }
    }
}

/// serde's sentence without the value that it quotes, which may be someone's phone, and without line and column.
fn without_values(sentence: &str) -> String {
    let sentence = sentence.split(" at line ").next().unwrap_or(sentence);
    match sentence.split_once(", expected ") {
        Some((found, expected)) => {
            let found = found
                .trim_start_matches("invalid type: ")
                .trim_start_matches("invalid value: ");
            let kind = found.split([' ', '`', '"']).next().unwrap_or(found);
            format!("is {kind}, expected {expected}")
        }
        None => format!("has a fault: {sentence}"),
    }
}

/// Only a JSON object: serde's structs would take an array of their fields too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// A text that is borrowed unless it holds escapes, also within an `Option`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowed)
    }
}

impl Text<'_> {
    /// An identifier, by the rules of the domain.
    pub fn id<T>(&self, path: &str, parse: impl Fn(&str) -> Result<T, IdFault>) -> Result<T, DeadLetter> {
        parse(&self.0).map_err(|fault| malformed(path, fault))
    }

    pub fn instant(&self, path: &str) -> Result<Instant, DeadLetter> {
        instant::parse(&self.0).ok_or_else(|| malformed(path, "is no instant by RFC 3339"))
    }

    pub fn international_phone(&self, path: &str) -> Result<SpelledPhone, DeadLetter> {
        phones::international(&self.0).map_err(|fault| bad_phone(path, fault))
    }

    /// A name; one that is empty or blank is none.
    pub fn name(&self, path: &str) -> Result<Option<Arc<str>>, DeadLetter> {
        if self.0.len() > MAX_NAME_CHARS && self.0.chars().count() > MAX_NAME_CHARS {
            return Err(malformed(path, format!("is longer than {MAX_NAME_CHARS} characters")));
        }
        let blank = self.0.trim().is_empty();
        Ok((!blank).then(|| Arc::from(&*self.0)))
    }
}

/// For fields where null is not the same as absent: None is absent, `Some(None)` null.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// WhatsApp's own message object: that it has a type is all that we ask of it.
#[derive(serde::Deserialize)]
struct MessageHead<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

/// The `type` of a message object, whose bytes are passed on as they are.
pub fn message_type(message: &RawValue) -> Result<Cow<'_, str>, DeadLetter> {
    let head: MessageHead<'_> = object("$.message", message.get())?;
    Ok(head.kind.0)
}
