//! Phones in E.164: which texts are one, and under which canonical spelling WhatsApp's variants meet (P1, P2).

use super::settings::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumber};
use std::fmt;

/// The version of the canonical spelling. State written under another one can't be found again: raise it with every
/// change of `fold`.
pub const CANONICAL_FORM_VERSION: u32 = 1;

/// Longer texts are no phone, as libphonenumber's own limit has it: so that none is slow.
const MAX_CHARS: usize = 250;

/// A number in E.164, as its digits: at most fifteen, so they fit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(pub u64);

/// Room for a phone's text: a sign and the digits of any number.
pub type PhoneText = [u8; 21];

impl Phone {
    /// `+` and its digits. A phone stands in every key, so it is written without the standard library's formatting.
    pub fn text(self, room: &mut PhoneText) -> &str {
        let mut at = room.len();
        let mut left = self.0;
        loop {
            at -= 1;
            room[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        at -= 1;
        room[at] = b'+';
        std::str::from_utf8(&room[at..]).unwrap_or("+")
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 21]))
    }
}

/// Masked, so that no log ever holds a customer's number.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let (head, rest) = digits.split_at(digits.len().min(2));
        let (hidden, tail) = rest.split_at(rest.len().saturating_sub(4));
        write!(f, "+{head}{}{tail}", "*".repeat(hidden.len()))
    }
}

/// One phone and the way it was spelled when it came in (P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpelledPhone {
    pub canonical: Phone,
    pub spelled: Phone,
}

/// Why a text is no phone. The text itself is not repeated: it may be someone's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneFault {
    #[error("is no phone number")]
    NotANumber,
    #[error("begins with no country code that is known, and no default_region stands in for one")]
    NoCountryCode,
    #[error("has too few digits for a phone number")]
    TooShort,
    #[error("is too long for a phone number")]
    TooLong,
    #[error("is no valid number of its country")]
    NotValid,
}

/// A phone that a machine wrote, with its country code: `from` and WABA phones. A missing `+` is added (P1).
pub fn parse_international(text: &str) -> Result<SpelledPhone, PhoneFault> {
    check_length(text)?;
    if let Some(Ok(phone)) = plain(text).map(spelled) {
        return Ok(phone);
    }
    if text.contains(['+', '\u{FF0B}']) {
        parse(text, None)
    } else {
        parse(&format!("+{text}"), None)
    }
}

/// A phone that a person typed: without a country code it is one of the region (P1).
pub fn parse_typed(text: &str, region: Option<Region>) -> Result<SpelledPhone, PhoneFault> {
    check_length(text)?;
    parse(text, region.and_then(Region::known))
}

fn check_length(text: &str) -> Result<(), PhoneFault> {
    let long = text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS;
    if long { Err(PhoneFault::TooLong) } else { Ok(()) }
}

fn parse(text: &str, region: Option<rlibphonenumber::Region>) -> Result<SpelledPhone, PhoneFault> {
    spelled(PHONE_NUMBER_UTIL.parse(text, region).map_err(fault)?)
}

fn spelled(number: PhoneNumber) -> Result<SpelledPhone, PhoneFault> {
    let canonical = fold(&number);
    if !PHONE_NUMBER_UTIL.is_valid_number(&canonical) {
        return Err(PhoneFault::NotValid);
    }
    Ok(SpelledPhone {
        canonical: e164(&canonical)?,
        spelled: e164(&number)?,
    })
}

/// Country codes after which libphonenumber takes no prefix off a number that doesn't begin with 0 (1: with 0 or 1;
/// Brazil: with 0 or 90). Many customers first.
const PLAIN: [&str; 29] = [
    "91", "55", "62", "1", "52", "92", "234", "49", "57", "27", "44", "39", "34", "90", "20", "880", "51", "60", "966",
    "971", "972", "31", "33", "593", "255", "233", "94", "977", "351",
];

/// What libphonenumber would read of digits as machines write them, in a quarter of the time: both numbers of every
/// message come this way. None: let it read the text itself.
fn plain(text: &str) -> Option<PhoneNumber> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (code, national) = PLAIN
        .iter()
        .find_map(|code| Some((*code, digits.strip_prefix(code)?)))?;
    let prefixed = match code {
        "1" => national.starts_with(['0', '1']),
        "55" => national.starts_with('0') || national.starts_with("90"),
        _ => national.starts_with('0'),
    };
    let number = PhoneNumber {
        country_code: code.parse().ok()?,
        national_number: national.parse().ok()?,
        ..PhoneNumber::default()
    };
    (!prefixed).then_some(number)
}

impl Region {
    /// Two upper-case letters that libphonenumber knows the numbers of.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let region = Self(text.as_bytes().try_into().ok()?);
        let upper_case = region.0.iter().all(u8::is_ascii_uppercase);
        (upper_case && region.known().is_some()).then_some(region)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    fn known(self) -> Option<rlibphonenumber::Region> {
        let region = rlibphonenumber::Region::from_code(self.as_str()).ok()?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| region)
    }
}

fn fault(error: ParseError) -> PhoneFault {
    match error {
        ParseError::InvalidCountryCode => PhoneFault::NoCountryCode,
        ParseError::NotANumber(_) => PhoneFault::NotANumber,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => PhoneFault::TooShort,
        ParseError::TooLongNsn => PhoneFault::TooLong,
    }
}

const ARGENTINA: i32 = 54;
const BRAZIL: i32 = 55;
const MEXICO: i32 = 52;
const TEN_DIGITS: std::ops::RangeInclusive<u64> = 1_000_000_000..=9_999_999_999;

/// The spelling under which the two that WhatsApp has for some numbers meet (P2).
fn fold(number: &PhoneNumber) -> PhoneNumber {
    let plain = number.italian_leading_zero.is_none();
    let folded = match number.country_code {
        ARGENTINA if plain => argentina(number.national_number),
        BRAZIL if plain => brazil(number.national_number),
        MEXICO if plain => mexico(number.national_number),
        _ => None,
    };
    PhoneNumber {
        country_code: number.country_code,
        national_number: folded.unwrap_or(number.national_number),
        italian_leading_zero: number.italian_leading_zero,
        number_of_leading_zeros: number.number_of_leading_zeros,
        ..PhoneNumber::default()
    }
}

/// Area code and eight digits, the first from 6 to 9: a mobile of before 2016, which has a 9 after its area code today.
/// Landlines begin with 2 to 5 and keep their eight.
fn brazil(national: u64) -> Option<u64> {
    const SUBSCRIBER: u64 = 100_000_000;
    let (area, subscriber) = (national / SUBSCRIBER, national % SUBSCRIBER);
    let mobile = TEN_DIGITS.contains(&national) && subscriber >= 60_000_000;
    mobile.then_some(area * SUBSCRIBER * 10 + 9 * SUBSCRIBER + subscriber)
}

/// The 1 that calls to mobiles had between 52 and the ten digits until 2020.
fn mexico(national: u64) -> Option<u64> {
    national
        .checked_sub(10_000_000_000)
        .filter(|ten| TEN_DIGITS.contains(ten))
}

/// A number in an area (11, 2xx, 3xx) is either a landline or a mobile, never both: so the 9 of mobiles, where it is
/// missing, can be added to all, and WhatsApp on a landline has one spelling too.
fn argentina(national: u64) -> Option<u64> {
    const NINE: u64 = 90_000_000_000;
    let in_an_area = matches!(national / 100_000_000, 11 | 20..=39);
    let number = PhoneNumber {
        country_code: ARGENTINA,
        national_number: NINE + national,
        ..PhoneNumber::default()
    };
    (in_an_area && PHONE_NUMBER_UTIL.is_valid_number(&number)).then_some(number.national_number)
}

fn e164(number: &PhoneNumber) -> Result<Phone, PhoneFault> {
    let zeros = match number.italian_leading_zero {
        Some(true) => number.number_of_leading_zeros.unwrap_or(1),
        _ => 0,
    };
    let digits = number.national_number.checked_ilog10().unwrap_or(0) + 1 + zeros.unsigned_abs();
    let shift = 10_u64.checked_pow(digits).ok_or(PhoneFault::TooLong)?;
    let code = u64::from(number.country_code.unsigned_abs());
    let whole = code
        .checked_mul(shift)
        .and_then(|code| code.checked_add(number.national_number));
    whole.map(Phone).ok_or(PhoneFault::TooLong)
}

#[cfg(test)]
#[path = "phone/tests.rs"]
mod tests;
