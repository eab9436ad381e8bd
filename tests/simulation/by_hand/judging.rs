//! What is handed to the rules, and what becomes of a record that they fail on.

use super::batches::message;
use super::*;
use crate::kafka::log::Data;
use crate::oracle::{Here, State};
use chatroom_router::domain::entry::Entry;
use chatroom_router::domain::phone::Phone;
use chatroom_router::domain::record::{self, Key, Known, View};
use chatroom_router::judging::{self, Facts};
use chatroom_router::kafka::NewRecord;
use chatroom_router::state::codec;
use chatroom_router::state::working_set::Write;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::rc::Rc;

/// The rules fail on whatever they look up.
struct Failing;

impl View for Failing {
    fn get(&self, key: &Key) -> Known {
        panic!("nobody may look up {key:?}")
    }
}

#[test]
fn a_record_that_the_rules_fail_on_becomes_a_dead_letter_and_changes_nothing() {
    let hand = Hand::new();
    let facts = hand.shared.facts(0, Uuid::from_u128(1));
    let prepared = judging::prepare(message(&hand, 0, 0), &facts, day(0)).expect("readable");
    let judged = crate::quietly(|| judging::judge(&prepared, &facts, &Failing, &days_of_inactivity(&[(0, 1)])));
    let judged = judged.expect("caught").expect("nothing is asked for");
    assert!(judged.writes.is_empty());
    let topics: Vec<&str> = judged.records.iter().map(|record| &*record.topic).collect();
    assert_eq!(topics, [&**hand.shared.topic(TopicKind::DeadLetters)]);
}

#[test]
fn a_sweep_judges_as_of_its_horizon_be_it_of_a_phone_that_has_old_chatrooms_alone() {
    let hand = Hand::new();
    let facts = hand.shared.facts(0, Uuid::from_u128(1));
    let key = Key::Phone(OrgId::parse("acme").expect("an id"), Phone(919_812_345_678));
    let entry = record::Record::Entry(Entry {
        archived: 1,
        ..Entry::default()
    });
    let value = codec::encode(facts.format, &key, Some(&entry)).expect("a value");
    let prepared = judging::prepare_sweep(&value, &facts, day(3)).expect("of a phone");
    assert_eq!(prepared.decided_at(), day(3));
}

/// One partition, which judges all that there is and holds what came of it.
struct Home {
    shared: Shared,
    facts: Facts,
    state: State,
    table: SettingsTable,
    read: i64,
}

impl Home {
    fn new() -> Self {
        let shared = Shared::of(1);
        Self {
            facts: shared.facts(0, Uuid::from_u128(1)),
            shared,
            state: State::new(),
            table: days_of_inactivity(&[(0, 1)]),
            read: 0,
        }
    }

    /// Judges a contact's command, and step by step what follows from it. Brokers refuse what the step of that number leads to. How
    /// many steps there are, and how the command was answered.
    fn puts(&mut self, request: &str, phone: &str, refused: Option<usize>) -> (usize, Vec<String>) {
        let value =
            json!({"type": "contact.upsert", "request_id": request, "org_id": "acme", "crm_id": "L-1", "phone": phone});
        let command = NewRecord {
            topic: self.shared.topic(TopicKind::CrmChanges).clone(),
            key: Some(b"acme:L-1".to_vec()),
            value: Some(value.to_string().into_bytes()),
            ..NewRecord::default()
        };
        let mut due = VecDeque::from([command]);
        let (mut steps, mut answers) = (0, Vec::new());
        while let Some(record) = due.pop_front() {
            for output in self.judge(record, refused == Some(steps)) {
                if output.topic == *self.shared.topic(TopicKind::RouterCommands) {
                    due.push_back(output);
                } else if output.topic == *self.shared.topic(TopicKind::CommandResults) {
                    let result: Value = serde_json::from_slice(&output.value.unwrap_or_default()).expect("JSON");
                    answers.push(result["status"].as_str().unwrap_or_default().to_owned());
                }
            }
            steps += 1;
        }
        (steps, answers)
    }

    fn judge(&mut self, record: NewRecord, is_refused: bool) -> Vec<NewRecord> {
        let at = TopicPartition::new(record.topic.clone(), 0).at(self.read);
        self.read += 1;
        let data = Data {
            record: Rc::new(record),
            timestamp: day(0).0,
        };
        let prepared = judging::prepare(data.read(at), &self.facts, day(0)).expect("readable");
        let judged = match is_refused {
            true => judging::give_up(&prepared, &self.facts, "it is too large"),
            false => judging::judge(&prepared, &self.facts, &Here(&self.state), &self.table).expect("all is here"),
        };
        for Write { key, record, .. } in judged.writes {
            match record {
                Some(record) => drop(self.state.insert(key, Arc::new(record))),
                None => drop(self.state.remove(&key)),
            }
        }
        judged.records
    }

    /// The phones under which the contact stands, be it that it is about to leave.
    fn phones(&self) -> Vec<String> {
        let phones = self.state.iter().filter_map(|(key, record)| match (key, &**record) {
            (Key::Phone(_, phone), record::Record::Entry(entry)) if !entry.contacts.is_empty() => {
                Some(phone.to_string())
            }
            _ => None,
        });
        phones.collect()
    }

    fn waits(&self) -> bool {
        self.state.values().any(|record| match &**record {
            record::Record::Directory(directory) => directory.underway.is_some() || !directory.waiting.is_empty(),
            _ => false,
        })
    }
}

#[test]
fn a_command_one_of_whose_steps_is_given_up_is_answered_once_and_does_all_when_it_is_sent_again() {
    const OLD: &str = "+919812345678";
    const NEW: &str = "+919812345679";
    let moves = |refused| {
        let mut home = Home::new();
        assert_eq!(home.puts("r1", OLD, None).1, ["APPLIED"]);
        let (steps, answers) = home.puts("r2", NEW, refused);
        (steps, answers, home)
    };
    let (steps, answers, home) = moves(None);
    assert_eq!(
        (answers, home.phones()),
        (vec!["APPLIED".to_owned()], vec![NEW.to_owned()])
    );
    assert!(steps > 3, "leave, attach, detach, and on");
    // The last one only tells the directory, and nothing could tell it in its place.
    for refused in 0..steps - 1 {
        let (_, answers, mut home) = moves(Some(refused));
        assert_eq!(answers, ["REFUSED"], "step {refused}");
        assert!(!home.waits(), "step {refused}");
        let (_, again) = home.puts("r3", NEW, None);
        assert_eq!(again, ["APPLIED"], "step {refused}");
        assert_eq!(home.phones(), [NEW], "step {refused}");
    }
}
