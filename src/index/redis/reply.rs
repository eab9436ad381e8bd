//! Takes the scripts' replies apart. What isn't as the scripts make it is an error, never a guess.

use redis::{RedisError, Value};
use uuid::Uuid;

use super::super::{Error, ErrorKind, Generation, Marker, Member};
use super::faults;

/// The elements of an array; an error of the server is an error.
pub fn array(value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) | Value::Set(values) => Ok(values),
        Value::ServerError(error) => Err(faults::error(RedisError::from(error))),
        other => Err(strange("an array", &other)),
    }
}

/// Bytes, or nothing.
pub fn bytes(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Nil => Ok(None),
        Value::ServerError(error) => Err(faults::error(RedisError::from(error))),
        other => Err(strange("a string", &other)),
    }
}

/// Bytes that must be there.
pub fn some_bytes(value: Value) -> Result<Vec<u8>, Error> {
    bytes(value)?.ok_or_else(|| strange("a string", &Value::Nil))
}

pub fn int(value: Value) -> Result<i64, Error> {
    match value {
        Value::Int(number) => Ok(number),
        Value::ServerError(error) => Err(faults::error(RedisError::from(error))),
        other => Err(strange("a number", &other)),
    }
}

/// The marker's six fields; all of them are missing when there is none.
pub fn marker(value: Value) -> Result<Option<Marker>, Error> {
    let fields = array(value)?;
    let texts: Vec<Option<String>> = fields.into_iter().map(text).collect::<Result<_, _>>()?;
    if texts.iter().all(Option::is_none) {
        return Ok(None);
    }
    let [
        Some(incarnation),
        Some(generation),
        Some(format),
        Some(offset),
        Some(begun_at),
        applied_until,
    ] = texts.as_slice()
    else {
        return Err(corrupt("a marker lacks fields"));
    };
    Ok(Some(Marker {
        of: Generation {
            incarnation: parsed::<Uuid>(incarnation)?,
            generation: parsed::<Uuid>(generation)?,
            format: parsed(format)?,
        },
        offset: parsed(offset)?,
        begun_at: parsed(begun_at)?,
        applied_until: applied_until.as_deref().map(parsed).transpose()?,
    }))
}

/// Members with their instants, in turn.
pub fn members(value: Value) -> Result<Vec<Member>, Error> {
    let mut values = array(value)?.into_iter();
    let mut members = Vec::with_capacity(values.len() / 2);
    while let (Some(member), Some(start)) = (values.next(), values.next()) {
        let start = text(start)?.ok_or_else(|| corrupt("a clock's member has no instant"))?;
        let member = some_bytes(member)?;
        members.push(Member {
            member,
            start: parsed(&start)?,
        });
    }
    Ok(members)
}

/// An instant as a sorted set has it.
pub fn instant(bytes: Vec<u8>) -> Result<i64, Error> {
    parsed(&String::from_utf8(bytes).map_err(|_| corrupt("an instant isn't text"))?)
}

fn text(value: Value) -> Result<Option<String>, Error> {
    let utf8 = |bytes| String::from_utf8(bytes).map_err(|_| corrupt("a field isn't text"));
    bytes(value)?.map(utf8).transpose()
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| corrupt("a field can't be read"))
}

/// An index that was rolled back between two answers has what its lower marker says.
pub fn lower(met: Option<Marker>, marker: Marker) -> Marker {
    met.filter(|met| met.offset <= marker.offset).unwrap_or(marker)
}

pub fn corrupt(what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the index holds what we did not write: {what}"),
    )
}

/// Says what kind of reply came, not what was in it.
fn strange(wanted: &str, got: &Value) -> Error {
    let got = match got {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a string",
        Value::Array(_) | Value::Set(_) => "an array",
        _ => "something else",
    };
    corrupt(&format!("{wanted} was to come, and {got} came"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_in_parts_stands_where_the_lowest_of_their_markers_does() {
        let of = Generation {
            incarnation: Uuid::from_u128(1),
            generation: Uuid::from_u128(2),
            format: 1,
        };
        let at = |offset| Marker {
            of,
            offset,
            begun_at: 0,
            applied_until: None,
        };
        let of_all = |offsets: [i64; 3]| {
            let lowest = offsets
                .into_iter()
                .fold(None, |met, offset| Some(lower(met, at(offset))));
            lowest.map(|marker| marker.offset)
        };
        for offsets in [[7, 8, 9], [9, 8, 7], [8, 7, 9], [7, 7, 9]] {
            assert_eq!(of_all(offsets), Some(7), "{offsets:?}");
        }
    }
}
