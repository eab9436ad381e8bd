//! The schemas: their examples hold by them, cover their words, and what they refuse the router refuses too.

use crate::examples::{self, WITH_EXAMPLES};
use chatroom_router::contract::TopicKind;
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

pub fn schema(topic: TopicKind) -> Value {
    let path = examples::folder().join(topic.default_name()).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

pub fn assert_valid(topic: TopicKind, case: &str, value: &Value) {
    let faults = faults(&schema(topic), value);
    assert!(faults.is_empty(), "{} {case}: {faults:?}", topic.default_name());
}

pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let fault = |fault: jsonschema::ValidationError<'_>| format!("{} at {}", fault, fault.instance_path());
    validator(schema).iter_errors(value).map(fault).collect()
}

/// The schema as it would be if it allowed no field that it doesn't describe, but within WhatsApp's message.
pub fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut closed: serde_json::Map<_, _> = fields
                .iter()
                .map(|(name, inner)| {
                    let open = matches!(name.as_str(), "message" | "if" | "then" | "else" | "anyOf" | "allOf");
                    (name.clone(), if open { inner.clone() } else { self::closed(inner) })
                })
                .collect();
            if closed.get("type") == Some(&Value::from("object")) {
                closed.insert("additionalProperties".to_owned(), Value::from(false));
            }
            Value::Object(closed)
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_schema_is_one() {
    for topic in WITH_EXAMPLES {
        let schema = schema(topic);
        assert!(jsonschema::meta::is_valid(&schema), "{}", topic.default_name());
        assert!(schema["description"].is_string() && schema["title"].is_string());
    }
}

#[test]
fn every_example_holds_by_its_schema() {
    for topic in WITH_EXAMPLES {
        assert!(
            examples::valid(topic).count() > 0,
            "{} has no example",
            topic.default_name()
        );
        for example in examples::valid(topic) {
            assert_valid(topic, &example.case, &serde_json::from_str(&example.text).unwrap());
        }
    }
}

/// Only a phone can't be judged by a schema.
#[test]
fn every_invalid_example_is_refused_by_its_schema() {
    for topic in WITH_EXAMPLES {
        for example in examples::of(topic) {
            if example.reason().is_none_or(|reason| reason == "BAD_PHONE") {
                continue;
            }
            let value = serde_json::from_str(&example.text).unwrap();
            let faults = faults(&schema(topic), &value);
            assert!(!faults.is_empty(), "{} {}", topic.default_name(), example.case);
        }
    }
}

#[test]
fn every_word_of_a_schema_has_an_example() {
    for topic in WITH_EXAMPLES {
        let mut shown = BTreeSet::new();
        for example in examples::valid(topic) {
            collect_texts(&serde_json::from_str(&example.text).unwrap(), &mut shown);
        }
        let mut words = BTreeSet::new();
        collect_words(&schema(topic), &mut words);
        let missing: Vec<_> = words.difference(&shown).collect();
        assert!(
            missing.is_empty(),
            "{} has no example of {missing:?}",
            topic.default_name()
        );
    }
}

fn collect_texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, found)),
        _ => {}
    }
}

fn collect_words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match name.as_str() {
                    "enum" | "const" => collect_texts(inner, found),
                    _ => collect_words(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_words(item, found)),
        _ => {}
    }
}
