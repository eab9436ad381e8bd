//! `show`: one dead letter whole. Its bytes are printed as they came, as text where they are text, else in hex.

use super::{list, lookup, plain};
use crate::cli::output::Out;
use crate::cli::progress::Bar;
use crate::config::{Config, Topics};
use crate::contract::instant;
use crate::contract::kept::First;
use crate::failure::{Exit, Failure};
use crate::kafka::Record;
use crate::letters::scan::{self, Span};
use crate::letters::{Letter, Shelf};
use clap::Args;
use serde_json::{Value, json};
use std::ops::ControlFlow;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The letter, as PARTITION:OFFSET; or the record that became it, as TOPIC:PARTITION:OFFSET.
    #[arg(value_name = "PLACE", value_parser = parse)]
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// None: of the dead letters themselves.
    topic: Option<String>,
    partition: i32,
    offset: i64,
}

fn parse(text: &str) -> Result<Place, &'static str> {
    let place = || {
        let (rest, offset) = text.rsplit_once(':')?;
        let (topic, partition) = rest
            .rsplit_once(':')
            .map_or((None, rest), |(topic, number)| (Some(topic), number));
        Some(Place {
            topic: topic.map(str::to_owned),
            partition: partition.parse().ok().filter(|partition| *partition >= 0)?,
            offset: offset.parse().ok().filter(|offset| *offset >= 0)?,
        })
    };
    place().ok_or("write PARTITION:OFFSET, or TOPIC:PARTITION:OFFSET of the record that it was")
}

pub fn run(config: &Config, args: &ShowArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let place = &args.place;
    let topic = config.topics.name(Shelf::DeadLetters.topic());
    let mut spans = scan::spans(&mut lookup(config)?, topic, None)?;
    if place.topic.is_none() {
        spans = spans.into_iter().filter_map(|span| at(span, place)).collect();
    }
    let bar = Bar::new("searching", scan::length(&spans));
    let mut found: Option<Letter> = None;
    let mut stranger = None;
    let kafka = config.kafka_settings(None);
    scan::read(&kafka, &spans, &mut |count| bar.pass(count), &mut |record| {
        match Shelf::DeadLetters.read(&record, &config.topics) {
            Some(kept) if place.topic.is_none() || is_it(kept.first.as_ref(), place, &config.topics) => {
                found = Some(Letter { kept, record });
                return ControlFlow::Break(());
            }
            None if place.topic.is_none() => stranger = Some(record.at),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    drop(bar);
    match (found, stranger) {
        (Some(letter), _) if out.is_json() => out.json(&as_json(&letter)),
        (Some(letter), _) => show(&letter, out),
        (None, Some(at)) => Err(Failure::new(
            Exit::BadData,
            format!("the record at {at} does not say why it is there: nothing of ours put it there"),
        )),
        (None, None) => Err(Failure::new(
            Exit::BadData,
            "no dead letter is there: see `chatroom-router dead-letters list`; it may be gone by the topic's retention",
        )),
    }
}

/// The one offset, if it is within.
fn at(span: Span, place: &Place) -> Option<Span> {
    let is_within = span.at.partition == place.partition && (span.from..span.to).contains(&place.offset);
    is_within.then_some(Span {
        from: place.offset,
        to: place.offset + 1,
        ..span
    })
}

/// The topic by its whole name, or by its name in the contracts.
fn is_it(first: Option<&First>, place: &Place, topics: &Topics) -> bool {
    let Some(first) = first else { return false };
    let kind = topics.kind(&first.topic).map(|kind| kind.default_name());
    let named = place.topic.as_deref();
    let topic = named == Some(&*first.topic) || named == kind;
    topic && (first.partition, first.offset) == (place.partition, place.offset)
}

fn show(letter: &Letter, out: &mut Out<'_>) -> Result<(), Failure> {
    let (kept, record) = (&letter.kept, &letter.record);
    let when = |at: Option<_>| at.map(instant::format).unwrap_or_default();
    out.line(&format!(
        "Dead letter {}:{}, put aside {}",
        record.at.partition,
        record.at.offset,
        when(letter.at())
    ))?;
    let detail = kept.detail.as_deref().unwrap_or_default();
    out.line(&format!("Why: {}: {}", plain(&kept.reason), plain(detail)))?;
    if let Some(first) = &kept.first {
        let place = format!("{}:{}:{}", plain(&first.topic), first.partition, first.offset);
        out.line(&format!("Came from: {place}, {}", when(first.timestamp)))?;
    }
    if kept.truncated {
        out.line("Only the first of its value was kept: it can't go back.")?;
    }
    out.line(&format!("Key: {}", shown(record.key.as_deref())))?;
    for (name, value) in theirs(record) {
        out.line(&format!("Header {}: {}", plain(name), shown(value)))?;
    }
    match record.value.as_deref() {
        None => out.line("It has no value."),
        Some(value) => {
            out.line(&format!("Value, {} bytes:", value.len()))?;
            out.line(&text(value).map_or_else(|| dump(value), plain))
        }
    }
}

/// The record's own headers: ours are told above.
fn theirs(record: &Record) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    let own = record.headers.iter().filter(|(name, _)| !name.starts_with("dlq_"));
    own.map(|(name, value)| (name.as_str(), value.as_deref()))
}

fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "none".to_owned() };
    text(bytes).map_or_else(|| hex(bytes), plain)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sixteen bytes a line, each with its place.
fn dump(bytes: &[u8]) -> String {
    let line = |(number, bytes): (usize, &[u8])| {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let text: String = bytes.iter().map(printable).collect();
        format!("{:08x}  {:<47}  {text}", number * 16, pairs.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn as_json(letter: &Letter) -> Value {
    let bytes = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| text(bytes).map_or_else(|| json!({"hex": hex(bytes)}), |text| json!({"text": text})))
    };
    let record = &letter.record;
    let header = |(name, value): (&str, Option<&[u8]>)| json!({"name": name, "value": bytes(value)});
    let mut shown = list::as_json(letter);
    shown["key"] = json!(bytes(record.key.as_deref()));
    shown["headers"] = theirs(record).map(header).collect();
    shown["value"] = json!(bytes(record.value.as_deref()));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_the_letters_or_of_an_input() {
        let place = |topic: Option<&str>| Place {
            topic: topic.map(str::to_owned),
            partition: 3,
            offset: 1042,
        };
        assert_eq!(parse("3:1042"), Ok(place(None)));
        assert_eq!(
            parse("eu.inbound-messages:3:1042"),
            Ok(place(Some("eu.inbound-messages")))
        );
        for wrong in ["", "3", "3:", ":3", "a:b", "-1:4", "t:1:-4", "t:x:4"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_text_is_shown_in_hex() {
        assert_eq!(text(b"{\"a\":1}"), Some("{\"a\":1}"));
        assert_eq!(
            dump(b"\xff\x00AB"),
            "00000000  ff 00 41 42                                      ..AB"
        );
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\n");
    }
}
