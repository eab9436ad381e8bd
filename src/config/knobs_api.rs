//! The settings of the API, as `knobs` has those of all else.

use super::knob::Kind::{File, Number, Text, Tokens};
use super::knob::Knob;
use super::knob::Preset::{Derived, Is};
use super::knobs::knob;
use super::shape;

pub const API: &[Knob] = &[
    knob(
        "api.listen",
        Text(shape::listen),
        Is(""),
        "Where the API answers, such as 0.0.0.0:8080. Empty: nowhere. Needs api.tokens.",
    ),
    knob(
        "api.tokens",
        Tokens,
        Derived(
            "none",
            r#"[{ name = "crm", sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", orgs = ["acme"], scopes = ["read", "write"] }]"#,
        ),
        "Who may use the API: a name, the SHA-256 of the token (printf %s \"$TOKEN\" | sha256sum), the orgs (or \"*\") and the scopes. Take tokens of 32 bytes by chance (openssl rand -hex 32). In the environment and in a file the list is JSON.",
    ),
    knob(
        "api.result_timeout_ms",
        Number(100, 60_000),
        Is("5000"),
        "How long a write waits for its result before it is answered with 202, and a read for at_least.",
    ),
    knob(
        "api.request_timeout_ms",
        Number(100, 120_000),
        Is("10000"),
        "How long a client may take over the head of a request, and as long again over its body. A connection that asks nothing for so long is closed.",
    ),
    knob(
        "api.max_connections",
        Number(1, 1_000_000),
        Is("2048"),
        "Open connections, at most; more wait to be accepted.",
    ),
    knob(
        "api.requests_per_second",
        Number(1, 1_000_000),
        Is("200"),
        "Requests of one token in a second, on each process; as many may come at once. Beyond it: 429.",
    ),
    knob(
        "api.requests_at_once",
        Number(1, 100_000),
        Is("64"),
        "Requests of one token that are under way at once, on each process. Beyond it: 429.",
    ),
    knob(
        "api.events.max_readers",
        Number(1, 1_000_000),
        Is("1024"),
        "Open streams of events, at most, on each process; beyond it: 429. Each is a connection too: leave some of api.max_connections to requests.",
    ),
    knob(
        "api.events.max_readers_per_token",
        Number(1, 1_000_000),
        Is("512"),
        "Open streams of events of one token, on each process. Beyond it: 429.",
    ),
    knob(
        "api.events.ring_bytes",
        Number(1_048_576, 17_179_869_184),
        Is("67108864"),
        "What is kept in memory of the last ten minutes, for readers of events that come back. Where more is published in ten minutes, who comes back late is told of a gap.",
    ),
    knob(
        "api.tls.certificate_file",
        File,
        Derived("none: plain HTTP", "/etc/chatroom-router/api.pem"),
        "The chain of certificates that the API shows, as PEM. Goes with api.tls.key_file.",
    ),
    knob(
        "api.tls.key_file",
        File,
        Derived("none", "/etc/chatroom-router/api-key.pem"),
        "The private key of api.tls.certificate_file, as PEM.",
    ),
];
