//! Whether a text has the shape of what it is to be. Says what to write instead; asks nobody.

type Shape = Result<(), &'static str>;

fn check(fits: bool, instead: &'static str) -> Shape {
    if fits { Ok(()) } else { Err(instead) }
}

pub fn any(_: &str) -> Shape {
    Ok(())
}

/// A name that stands in keys and ids.
pub fn name(text: &str) -> Shape {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    check(
        plain && (1..=128).contains(&text.len()),
        "1 to 128 letters, digits, '.', '_' or '-'",
    )
}

pub fn topic(text: &str) -> Shape {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    check(
        plain && (1..=200).contains(&text.len()) && text != "." && text != "..",
        "a topic's name: 1 to 200 letters, digits, '.', '_' or '-'",
    )
}

pub fn topic_prefix(text: &str) -> Shape {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    check(
        plain && text.len() <= 49,
        "at most 49 letters, digits, '.', '_' or '-', or nothing",
    )
}

fn host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_port = port.parse::<u16>().is_ok() && port.chars().all(|c| c.is_ascii_digit());
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '@']) && !host.contains(char::is_whitespace),
        };
        is_port && is_host
    })
}

pub fn brokers(text: &str) -> Shape {
    check(
        text.split(',').map(str::trim).all(host_and_port),
        "host:port, separated by commas: kafka-1:9092,kafka-2:9092",
    )
}

pub fn listen(text: &str) -> Shape {
    check(
        text.is_empty() || host_and_port(text),
        "an address and a port, such as 127.0.0.1:9464 or 0.0.0.0:9464, or nothing",
    )
}

/// No more than that it is there: the index itself reads it.
pub fn address(text: &str) -> Shape {
    check(text.contains("://"), "an address, such as redis://localhost:6379/0")
}

/// Long enough that nobody guesses it.
pub fn long(text: &str) -> Shape {
    check(
        text.len() >= 16,
        "at least 16 characters, by chance: openssl rand -hex 32",
    )
}

/// A level, and after commas `part=level`. A word that is no level would else be taken for a part's name.
pub fn log_level(text: &str) -> Shape {
    let is_level = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
    let mut words = text.split(',').map(str::trim);
    let first = words.next().is_some_and(is_level);
    let others = words.all(|word| {
        word.split_once('=').is_some_and(|(part, level)| {
            let is_path = part.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
            is_path && !part.is_empty() && is_level(level)
        })
    });
    check(
        first && others,
        "off, error, warn, info, debug or trace, and after commas part=level: info,rdkafka=warn",
    )
}
