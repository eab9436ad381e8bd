//! Times as people write them: an instant by RFC 3339, or how long ago (`90m`, `24h`, `7d`); and lengths of time.

use crate::contract::instant;
use crate::domain::time::Instant;
use std::time::Duration;

const INSTEAD: &str = "write an instant by RFC 3339, such as 2026-11-22T07:00:00Z, or how long ago: 90m, 24h, 7d";

/// A time as it was written: what is relative moves with the clock, and its text doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    pub text: String,
    meant: Meant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    At(Instant),
    Ago(Duration),
}

impl When {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let meant = match (instant::parse(text), length(text)) {
            (Some(at), _) => Meant::At(at),
            (None, Ok(ago)) => Meant::Ago(ago),
            (None, Err(_)) => return Err(INSTEAD),
        };
        let text = text.to_owned();
        Ok(Self { text, meant })
    }

    #[must_use]
    pub fn instant(&self, now: Instant) -> Instant {
        match self.meant {
            Meant::At(at) => at,
            Meant::Ago(ago) => now.plus(-i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// A number and its unit: s, m, h or d.
pub fn length(text: &str) -> Result<Duration, &'static str> {
    let instead = "write a number and its unit, such as 30s, 90m, 24h or 7d";
    let unit = text.chars().last().ok_or(instead)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(instead),
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u32>().ok())
        .ok_or(instead)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_stands_and_how_long_ago_moves_with_the_clock() {
        let now = Instant(1_795_330_800_000);
        let rows = [
            ("2026-11-22T07:00:00Z", Some(now.0)),
            ("0s", Some(now.0)),
            ("90m", Some(now.0 - 5_400_000)),
            ("24h", Some(now.0 - 86_400_000)),
            ("7d", Some(now.0 - 7 * 86_400_000)),
            ("", None),
            ("d", None),
            ("-1d", None),
            ("7w", None),
            ("yesterday", None),
        ];
        for (text, meant) in rows {
            let parsed = When::parse(text).ok().map(|when| when.instant(now).0);
            assert_eq!(parsed, meant, "{text}");
        }
    }
}
