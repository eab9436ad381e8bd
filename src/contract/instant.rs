//! Instants as RFC 3339 texts: read with any offset, written in UTC, with milliseconds where there are some.

use crate::domain::time::Instant;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// None if the text is no instant by RFC 3339. Finer parts than milliseconds are cut off.
#[must_use]
pub fn parse(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    let date = Date::new(
        digits(bytes, 0, 4)?.try_into().ok()?,
        digits(bytes, 5, 2)?.try_into().ok()?,
        digits(bytes, 8, 2)?.try_into().ok()?,
    );
    // A leap second is the last millisecond of its minute, as in most clocks.
    let second = digits(bytes, 17, 2)?;
    let (fraction, zone) = fraction(bytes.get(19..)?)?;
    let (second, millisecond) = if second == 60 { (59, 999) } else { (second, fraction) };
    let time = Time::new(
        digits(bytes, 11, 2)?.try_into().ok()?,
        digits(bytes, 14, 2)?.try_into().ok()?,
        second.try_into().ok()?,
        millisecond * 1_000_000,
    );
    let separated = is_at(bytes, 4, b"-") && is_at(bytes, 7, b"-") && is_at(bytes, 10, b"Tt");
    let separated = separated && is_at(bytes, 13, b":") && is_at(bytes, 16, b":");
    let local = DateTime::from_parts(date.ok()?, time.ok()?);
    let utc = offset(zone)?.to_timestamp(local).ok()?;
    separated.then_some(Instant(utc.as_millisecond()))
}

/// `2026-11-22T07:00:00Z`, or `2026-11-22T07:00:00.250Z`. What lies beyond the years 0 to 9999 is written as their end.
#[must_use]
pub fn format(instant: Instant) -> String {
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_207_200_000 - 1;
    let millis = instant.0.clamp(FIRST, LAST);
    let utc = Offset::UTC.to_datetime(Timestamp::from_millisecond(millis).unwrap_or_default());
    let mut text = String::with_capacity(24);
    let parts = [
        (i32::from(utc.year()), 4, '-'),
        (i32::from(utc.month()), 2, '-'),
        (i32::from(utc.day()), 2, 'T'),
        (i32::from(utc.hour()), 2, ':'),
        (i32::from(utc.minute()), 2, ':'),
    ];
    for (number, width, after) in parts {
        push_digits(&mut text, number, width);
        text.push(after);
    }
    push_digits(&mut text, i32::from(utc.second()), 2);
    if utc.millisecond() != 0 {
        text.push('.');
        push_digits(&mut text, i32::from(utc.millisecond()), 3);
    }
    text.push('Z');
    text
}

/// Several stand in every output, so they are worth more than the formatting of the standard library.
fn push_digits(text: &mut String, number: i32, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_i32.pow(place) % 10;
        text.push(char::from_digit(digit.unsigned_abs(), 10).unwrap_or('0'));
    }
}

fn is_at(bytes: &[u8], at: usize, allowed: &[u8]) -> bool {
    bytes.get(at).is_some_and(|byte| allowed.contains(byte))
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i32> {
    let digits = bytes.get(at..at + count)?;
    digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0'))
    })
}

/// The milliseconds of `.250Z`, and what stands after them.
fn fraction(rest: &[u8]) -> Option<(i32, &[u8])> {
    let Some(after_point) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = after_point.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = after_point.split_at_checked(length)?;
    let place = |(digit, scale): (&u8, i32)| i32::from(digit - b'0') * scale;
    let millis = digits.iter().zip([100, 10, 1]).map(place).sum();
    (length > 0).then_some((millis, zone))
}

fn offset(zone: &[u8]) -> Option<Offset> {
    let sign = match zone {
        b"Z" | b"z" => return Some(Offset::UTC),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(zone, 1, 2)?, digits(zone, 4, 2)?);
    let shaped = zone.len() == 6 && is_at(zone, 3, b":") && hours < 24 && minutes < 60;
    shaped
        .then(|| Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: i64 = 1_795_330_800_000;

    #[test]
    fn reads_rfc_3339() {
        let rows = [
            ("2026-11-22T07:00:00Z", SEVEN),
            ("2026-11-22t07:00:00z", SEVEN),
            ("2026-11-22T12:30:00+05:30", SEVEN),
            ("2026-11-21T23:00:00-08:00", SEVEN),
            ("2026-11-22T07:00:00-00:00", SEVEN),
            ("2026-11-22T07:00:00.25Z", SEVEN + 250),
            ("2026-11-22T07:00:00.0019999999999999Z", SEVEN + 1),
            ("2026-11-22T06:59:60Z", SEVEN - 1),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), Some(Instant(expected)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let texts = [
            "",
            "2026-11-22",
            "2026-11-22T07:00:00",
            "2026-11-22 07:00:00Z",
            "2026-11-22T07:00Z",
            "2026-11-22T07:00:00.Z",
            "2026-11-22T07:00:00Z[UTC]",
            "2026-11-22T07:00:00+0530",
            "2026-11-22T07:00:00+05",
            "2026-11-22T07:00:00+24:00",
            "2026-11-22T07:00:00Zz",
            "2026-02-29T07:00:00Z",
            "2026-13-01T07:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T07:61:00Z",
            "2026/11/22T07:00:00Z",
            "+02026-11-22T07:00:00Z",
            "1795330800",
            "２０２６-11-22T07:00:00Z",
        ];
        for text in texts {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_utc_with_milliseconds_where_there_are_some() {
        assert_eq!(format(Instant(SEVEN)), "2026-11-22T07:00:00Z");
        assert_eq!(format(Instant(SEVEN + 50)), "2026-11-22T07:00:00.050Z");
        assert_eq!(format(Instant(-1)), "1969-12-31T23:59:59.999Z");
        for extreme in [i64::MIN, i64::MAX] {
            let written = parse(&format(Instant(extreme)));
            assert!(written.is_some(), "{extreme}: {}", format(Instant(extreme)));
        }
    }
}
