//! The examples of the inputs, as the router reads them.

use crate::examples;
use crate::fixtures::{decoder, event_of, record};
use crate::json_text::compact;
use chatroom_router::contract::words::Word;
use chatroom_router::contract::{Decoded, RawRecord, TopicKind};
use chatroom_router::domain::event::{Command, What};
use chatroom_router::domain::settings::Region;
use proptest::prelude::*;

#[test]
fn every_example_is_read() {
    for topic in TopicKind::INPUTS {
        for example in examples::valid(topic) {
            let read = event_of(topic, &example.text).body;
            assert_eq!(event_of(topic, &compact(&example.text)).body, read, "{}", example.case);
        }
    }
}

#[test]
fn every_invalid_example_is_a_dead_letter_for_its_reason() {
    for topic in TopicKind::INPUTS {
        for example in examples::of(topic) {
            let Some(reason) = example.reason() else { continue };
            let refused = decoder().decode(&record(topic, &example.text));
            let refused = refused.err().unwrap_or_else(|| panic!("{} is read", example.case));
            assert_eq!(refused.reason.word(), reason, "{}: {}", example.case, refused.detail);
        }
    }
}

fn command(record: &RawRecord<'_>) -> Command {
    match decoder().decode(record).unwrap() {
        Decoded::Command(command) => *command,
        Decoded::Affiliate(affiliate) => affiliate.parse(Region::parse("IN")).unwrap(),
        other @ Decoded::Message(..) => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_command_has_an_example() {
    let rows = [
        ("contact-upsert", "contact.upsert"),
        ("contact-delete", "contact.delete"),
        ("chatroom-create", "chatroom.create"),
        ("chatroom-create-affiliate", "affiliate"),
        ("chatroom-activate", "chatroom.activate"),
        ("chatroom-deactivate", "chatroom.deactivate"),
        ("chatroom-expire", "chatroom.expire"),
    ];
    for (case, expected) in rows {
        let text = examples::read(TopicKind::CrmChanges, case);
        let command = command(&record(TopicKind::CrmChanges, &text));
        let found = match command.what {
            What::UpsertContact { .. } => "contact.upsert",
            What::DeleteContact { .. } => "contact.delete",
            What::CreateChatroom(_) => "chatroom.create",
            What::CreateAffiliate(_) => "affiliate",
            What::Activate(_) => "chatroom.activate",
            What::Deactivate(_) => "chatroom.deactivate",
            What::Expire(_) => "chatroom.expire",
            What::Send(_) | What::PutSettings(_) => "another topic's",
        };
        assert_eq!(found, expected, "{case}");
    }
}

/// Some bytes of an example replaced, at places given as parts of its length.
fn spoilt(text: &str, changes: &[(f64, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, byte) in changes {
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] = *byte;
    }
    bytes
}

proptest! {
    #[test]
    fn no_bytes_make_the_router_panic(
        topic in 0..TopicKind::INPUTS.len(),
        example in 0.0..1.0,
        changes in proptest::collection::vec((0.0..1.0, any::<u8>()), 0..6),
        cut in 0.0..1.0,
    ) {
        let topic = TopicKind::INPUTS[topic];
        let examples = examples::of(topic);
        let example = &examples[(example * examples.len() as f64) as usize];
        let spoilt = spoilt(&example.text, &changes);
        for length in [spoilt.len(), (cut * spoilt.len() as f64) as usize] {
            let mut record = record(topic, "");
            record.value = Some(&spoilt[..length]);
            if let Err(refused) = decoder().decode(&record) {
                prop_assert!(!refused.detail.is_empty() && !refused.detail.contains('\n'));
            }
        }
    }
}
