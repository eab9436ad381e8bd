//! The stream's text (server-sent events, WHATWG HTML 9.2): pure, from what happened to bytes.

use axum::body::Bytes;
use serde_json::json;

/// Why a stream begins anew at the present, or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What came after the id is not kept any more.
    TooOld,
    /// The id is none of ours, or of other topics than these.
    UnknownId,
    /// The reader does not keep up.
    TooSlow,
    /// This process ends.
    ShuttingDown,
}

impl Why {
    pub fn word(self) -> &'static str {
        match self {
            Self::TooOld => "TOO_OLD",
            Self::UnknownId => "UNKNOWN_ID",
            Self::TooSlow => "TOO_SLOW",
            Self::ShuttingDown => "SHUTTING_DOWN",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::TooOld => {
                "what came after that id is not kept here any more: read the state anew; what follows is what happens from now on"
            }
            Self::UnknownId => {
                "that id is none of these topics: read the state anew; what follows is what happens from now on"
            }
            Self::TooSlow => "the stream was not read as fast as it came: connect again with Last-Event-ID",
            Self::ShuttingDown => "this process ends: connect again with Last-Event-ID",
        }
    }
}

/// How long a client waits before it connects again.
const RETRY_MS: u32 = 1_000;

/// An event without its id. JSON may hold ends of lines between its parts; each goes on in a line of its own.
#[must_use]
pub fn event(name: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + name.len() + 24);
    text.push_str("event: ");
    text.push_str(name);
    for line in data.split(['\r', '\n']) {
        text.push_str("\ndata: ");
        text.push_str(line);
    }
    text.push_str("\n\n");
    Bytes::from(text)
}

/// The line before an event after which a reader has what the id says.
pub fn id(id: &str, text: &mut Vec<u8>) {
    text.extend_from_slice(b"id: ");
    text.extend_from_slice(id.as_bytes());
    text.push(b'\n');
}

/// The first of a stream: no event, but a client knows from here on where to go on.
#[must_use]
pub fn hello(id: &str) -> Bytes {
    Bytes::from(format!("retry: {RETRY_MS}\nid: {id}\n\n"))
}

/// A sign of life: a comment, and the id as of now, so that a quiet stream does not grow old.
#[must_use]
pub fn heartbeat(id: &str) -> Bytes {
    Bytes::from(format!(": alive\nid: {id}\n\n"))
}

/// Something is missing here.
#[must_use]
pub fn gap(id: &str, why: Why) -> Bytes {
    Bytes::from(format!("id: {id}\nevent: gap\ndata: {}\n\n", told(why)))
}

/// The last of a stream that we end.
#[must_use]
pub fn end(why: Why) -> Bytes {
    Bytes::from(format!("event: end\ndata: {}\n\n", told(why)))
}

fn told(why: Why) -> serde_json::Value {
    json!({"reason": why.word(), "detail": why.sentence()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_within_the_data_stay_data() {
        let frame = event("routed", "{\n \"id: x\":\r\"event: y\"}");
        let text = std::str::from_utf8(&frame).unwrap();
        assert_eq!(
            text,
            "event: routed\ndata: {\ndata:  \"id: x\":\ndata: \"event: y\"}\n\n"
        );
    }

    #[test]
    fn every_frame_ends_with_an_empty_line_and_holds_no_other() {
        for frame in [
            hello("x"),
            heartbeat("x"),
            gap("x", Why::TooOld),
            end(Why::ShuttingDown),
            event("routed", "{}"),
        ] {
            let text = std::str::from_utf8(&frame).unwrap();
            assert_eq!(text.find("\n\n"), Some(text.len() - 2), "{text}");
        }
    }
}
