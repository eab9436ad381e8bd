//! What the commands print for scripts holds by its schema, whoever runs them: `schemas/commands/<words of the command>.json`.

use serde_json::{Deserializer, Value};
use std::fs;
use std::path::PathBuf;

/// The schema of the command that these words begin with, by its longest name: `lookup.json` is of all that look up.
pub fn schema_path(words: &[&str]) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas/commands");
    let named = (1..=words.len().min(2)).rev().map(|count| words[..count].join("-"));
    named
        .map(|name| folder.join(name).with_extension("json"))
        .find(|path| path.is_file())
}

/// Panics where a command that was asked for JSON printed something else. Nothing printed is nothing wrong.
#[track_caller]
pub fn check(arguments: &[&str], stdout: &[u8]) {
    if !arguments.join(" ").contains("--output json") {
        return;
    }
    let words = arguments.join(" ").replace("--output json", "");
    let words: Vec<&str> = words.split_whitespace().collect();
    let path = schema_path(&words).unwrap_or_else(|| panic!("schemas/commands has no schema of `{}`", words.join(" ")));
    let schema = fs::read_to_string(&path).expect("readable");
    let schema: Value = serde_json::from_str(&schema).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let schema = options.build(&schema).expect("a schema");
    for value in Deserializer::from_slice(stdout).into_iter::<Value>() {
        let value = value.unwrap_or_else(|error| panic!("{} printed no JSON: {error}", words.join(" ")));
        let faults: Vec<String> = schema
            .iter_errors(&value)
            .map(|fault| format!("{fault} at {}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}: {faults:?}\n{value:#}", path.display());
    }
}
