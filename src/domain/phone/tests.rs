//! P1 and P2 as tables: what came in, the way it is spelled in E.164, and its canonical spelling.

use super::*;
use std::time::{Duration, Instant};

type Read = Result<(u64, u64), PhoneFault>;

fn pair(parsed: Result<SpelledPhone, PhoneFault>) -> Read {
    parsed.map(|phone| (phone.spelled.0, phone.canonical.0))
}

fn assert_international(rows: &[(&str, Read)]) {
    for (text, expected) in rows {
        assert_eq!(pair(parse_international(text)), *expected, "{text}");
    }
}

fn assert_typed(rows: &[(&str, &str, Read)]) {
    for (region, text, expected) in rows {
        let region = Region::parse(region);
        assert_eq!(pair(parse_typed(text, region)), *expected, "{text} in {region:?}");
    }
}

fn same(digits: u64) -> Read {
    Ok((digits, digits))
}

use PhoneFault::{NoCountryCode, NotANumber, NotValid, TooLong, TooShort};

#[test]
fn p1_international_numbers_may_lack_the_plus() {
    assert_international(&[
        ("+919812345678", same(919812345678)),
        ("919812345678", same(919812345678)),
        ("+91 98123-45678", same(919812345678)),
        (" (+91) 98123 45678", same(919812345678)),
        ("tel:+91-98123-45678", same(919812345678)),
        ("+12025550100", same(12025550100)),
        ("12025550100", same(12025550100)),
        // Italy keeps the zero of its landlines.
        ("+390612345678", same(390612345678)),
        ("+44 (0)20 7946 0958", same(442079460958)),
        // Of no country: international freephone.
        ("+800 1234 5678", same(80012345678)),
        // An international prefix is not known without the region that it is of.
        ("00919812345678", Err(NoCountryCode)),
        ("0", Err(NotANumber)),
    ]);
}

#[test]
fn p1_digits_of_all_scripts_count() {
    assert_international(&[
        ("+٩١٩٨١٢٣٤٥٦٧٨", same(919812345678)),
        ("９１９８１２３４５６７８", same(919812345678)),
        ("\u{FF0B}९१९८१२३४५६७८", same(919812345678)),
    ]);
}

#[test]
fn p1_extensions_are_ignored() {
    assert_international(&[
        ("+91 98123 45678 ext. 12", same(919812345678)),
        ("+91 98123 45678;ext=3", same(919812345678)),
        ("+91 98123 45678 x99", same(919812345678)),
        ("+55 11 98765-4321 ext 12", same(5511987654321)),
    ]);
}

#[test]
fn p1_what_is_no_valid_number_is_none() {
    assert_international(&[
        ("", Err(NotANumber)),
        ("+", Err(NotANumber)),
        ("hello", Err(NotANumber)),
        ("919812345678@c.us", Err(NotANumber)),
        ("+0000000", Err(NoCountryCode)),
        ("+99999999999999999999", Err(NoCountryCode)),
        ("+15550001111", Err(NotValid)),
        ("+9198123", Err(NotValid)),
        ("+4915123456789012", Err(NotValid)),
        ("+91 98123 45678 / 98123 45679", Err(TooLong)),
        ("+49 1", Err(TooShort)),
        ("+55 20 98765 4321", Err(NotValid)),
        ("+52 01 55 1234 5678", Err(NotValid)),
    ]);
}

#[test]
fn p1_the_region_serves_what_has_no_country_code() {
    assert_typed(&[
        ("IN", "98123 45678", same(919812345678)),
        ("IN", "098123 45678", same(919812345678)),
        ("IN", "919812345678", same(919812345678)),
        ("IN", "0091 98123 45678", same(919812345678)),
        ("IN", "98123 45678 ext. 5", same(919812345678)),
        ("IN", "+1 202 555 0100", same(12025550100)),
        ("US", "(202) 555-0100", same(12025550100)),
        ("US", "011 91 98123 45678", same(919812345678)),
        ("US", "98123 45678", Err(NotValid)),
        ("", "98123 45678", Err(NoCountryCode)),
        ("", "919812345678", Err(NoCountryCode)),
        ("", "+919812345678", same(919812345678)),
    ]);
}

#[test]
fn p2_brazil_has_the_ninth_digit_on_mobiles_only() {
    assert_international(&[
        ("+5511987654321", same(5511987654321)),
        ("+551187654321", Ok((551187654321, 5511987654321))),
        ("+552167654321", Ok((552167654321, 5521967654321))),
        ("+558599999999", Ok((558599999999, 5585999999999))),
        ("+5585999999999", same(5585999999999)),
        // Both of WhatsApp's spellings for the codes above 30 of before the ninth digit.
        ("+553171234567", Ok((553171234567, 5531971234567))),
        ("+55 0 15 11 98765 4321", same(5511987654321)),
        // Landlines begin with 2 to 5.
        ("+551123456789", same(551123456789)),
        ("+551134567890", same(551134567890)),
        ("+551145678901", same(551145678901)),
        ("+551157654321", same(551157654321)),
        // Services have no area code.
        ("+558001234567", same(558001234567)),
        ("+5540041234", same(5540041234)),
        // There is no area 20 or 52; a 9 does not make one.
        ("+552087654321", Err(NotValid)),
        ("+555287654321", Err(NotValid)),
    ]);
    assert_typed(&[
        ("BR", "(11) 8765-4321", Ok((551187654321, 5511987654321))),
        ("BR", "0 11 98765-4321", same(5511987654321)),
        ("BR", "(11) 3456-7890", same(551134567890)),
        ("BR", "8765-4321", Err(NotValid)),
    ]);
}

#[test]
fn p2_mexico_has_no_one_after_52() {
    assert_international(&[
        ("+525512345678", same(525512345678)),
        ("+5215512345678", Ok((5215512345678, 525512345678))),
        ("5212221234567", Ok((5212221234567, 522221234567))),
        ("+521551234567", Err(NotValid)),
        ("+5211551234567", Err(NotValid)),
    ]);
    assert_typed(&[
        ("MX", "55 1234 5678", same(525512345678)),
        ("MX", "1 55 1234 5678", Ok((5215512345678, 525512345678))),
        ("MX", "5215512345678", Ok((5215512345678, 525512345678))),
    ]);
}

#[test]
fn p2_argentina_has_the_nine_in_every_area() {
    assert_international(&[
        ("+5491123456789", same(5491123456789)),
        ("+541123456789", Ok((541123456789, 5491123456789))),
        ("+54 342 412 3456", Ok((543424123456, 5493424123456))),
        ("+54 2966 40 1234", Ok((542966401234, 5492966401234))),
        // The 15 of calls within the country is the 9 of those from outside.
        ("+54 11 15 2345 6789", same(5491123456789)),
        ("+54 800 123 4567", same(548001234567)),
        ("+54 810 123 4567", same(548101234567)),
        ("+54 11 1234", Err(NotValid)),
    ]);
    assert_typed(&[
        ("AR", "011 15 2345-6789", same(5491123456789)),
        ("AR", "11 2345-6789", Ok((541123456789, 5491123456789))),
    ]);
}

/// Any digits after each country code, and such as begin like a prefix or a variant.
#[test]
fn p1_plain_digits_are_read_as_libphonenumber_reads_them() {
    let mut seed = 1_u64;
    let mut valid = 0;
    for code in PLAIN {
        for round in 0..600 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let start = ["", "9", "1", "90", "0", "15", "119", "8"][round % 8];
            let national = &format!("{start}{:018}", seed % 1_000_000_000_000_000_000)[..6 + round % 7];
            let text = format!("+{code}{national}");
            if let Some(Ok(phone)) = plain(&text).map(super::spelled) {
                assert_eq!(parse(&text, None), Ok(phone), "{text}");
                assert_eq!(parse_international(&text[1..]), Ok(phone), "{text}");
                valid += 1;
            }
        }
    }
    assert!(valid > 1_000, "{valid}");
}

#[test]
fn p2_the_canonical_spelling_is_its_own() {
    for text in ["+551187654321", "+5215512345678", "+541123456789", "+919812345678"] {
        let canonical = parse_international(text).unwrap().canonical;
        let again = parse_international(&canonical.to_string()).unwrap();
        assert_eq!((again.spelled, again.canonical), (canonical, canonical), "{text}");
    }
}

#[test]
fn long_texts_are_refused_at_once() {
    let texts = [
        "1".repeat(10_000),
        "+9".repeat(5_000),
        "x ".repeat(5_000),
        "1x".repeat(120),
        "9 ext 9 ".repeat(31),
        "+1-".repeat(83),
        "٣".repeat(250),
    ];
    let begun = Instant::now();
    for text in &texts {
        assert!(parse_international(text).is_err(), "{text}");
        assert!(parse_typed(text, Region::parse("IN")).is_err(), "{text}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn regions_are_those_that_libphonenumber_knows() {
    for known in ["IN", "US", "BR", "XK", "AC"] {
        assert_eq!(
            Region::parse(known).map(|region| region.as_str().to_owned()),
            Some(known.to_owned())
        );
    }
    for unknown in ["", "I", "in", "IND", "ZZ", "XX", "001", "1N", "É"] {
        assert_eq!(Region::parse(unknown), None, "{unknown}");
    }
}

#[test]
fn p2_masks_all_but_the_ends_of_a_number() {
    assert_eq!(format!("{:?}", Phone(919812345678)), "+91******5678");
}
