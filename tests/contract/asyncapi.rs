//! The AsyncAPI document: every topic is a channel in it, and every reference leads somewhere.
//!
//! Read line by line and not as YAML: a reference and a key each stand on a line of their own.

use crate::examples::{WITH_EXAMPLES, folder};
use std::fs;

fn document() -> String {
    fs::read_to_string(folder().join("asyncapi.yaml")).unwrap()
}

fn references(document: &str) -> Vec<&str> {
    let after = document.split("$ref:").skip(1);
    let targets = after.map(|rest| rest.lines().next().unwrap_or("").trim().trim_end_matches('}').trim());
    targets.map(|target| target.trim_matches(['\'', '"'])).collect()
}

/// Does the key at the end of this path stand in the document, each level deeper than the one before?
fn resolves(document: &str, path: &str) -> bool {
    let mut lines = document.lines();
    let mut depth = None;
    path.split('/').all(|key| {
        let found = lines.find(|line| line.trim_start().starts_with(&format!("{key}:")));
        let indent = found.map(|line| line.len() - line.trim_start().len());
        let deeper = indent.is_some() && indent > depth;
        depth = indent;
        deeper
    })
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let references = references(&document);
    assert!(references.len() > WITH_EXAMPLES.len());
    for target in references {
        match target.strip_prefix("#/") {
            Some(path) => assert!(resolves(&document, path), "{target}"),
            None => assert!(folder().join(target).is_file(), "{target}"),
        }
    }
}

#[test]
fn every_topic_is_a_channel_with_its_schema() {
    let document = document();
    for topic in WITH_EXAMPLES {
        let name = topic.default_name();
        assert!(
            document.contains(&format!("address: {name}\n")),
            "{name} has no channel"
        );
        assert!(
            document.contains(&format!("$ref: ./{name}.json\n")),
            "{name} has no schema"
        );
    }
}
