//! The examples of the topics, a folder per topic: `<case>.json`, or `invalid.<reason>.<case>.json`.

use chatroom_router::contract::TopicKind;
use std::fs;
use std::path::PathBuf;

pub const WITH_EXAMPLES: [TopicKind; 10] = [
    TopicKind::InboundMessages,
    TopicKind::CrmChanges,
    TopicKind::OrgSettings,
    TopicKind::OutboundRequests,
    TopicKind::RoutedMessages,
    TopicKind::UnroutedMessages,
    TopicKind::LifecycleEvents,
    TopicKind::OutboundMessages,
    TopicKind::CommandResults,
    TopicKind::DeadLetters,
];

pub struct Example {
    pub case: String,
    pub text: String,
}

impl Example {
    /// The reason for which it is refused; none if it is valid.
    pub fn reason(&self) -> Option<String> {
        let invalid = self.case.strip_prefix("invalid.")?;
        invalid.split('.').next().map(str::to_uppercase)
    }
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

pub fn path(topic: TopicKind, case: &str) -> PathBuf {
    let examples = folder().join("examples").join(topic.default_name());
    examples.join(format!("{case}.json"))
}

/// All of a topic, by name.
pub fn of(topic: TopicKind) -> Vec<Example> {
    let folder = folder().join("examples").join(topic.default_name());
    let mut examples: Vec<Example> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            Example {
                case: path.file_stem().unwrap().to_string_lossy().into_owned(),
                text: fs::read_to_string(&path).unwrap(),
            }
        })
        .collect();
    examples.sort_by(|a, b| a.case.cmp(&b.case));
    examples
}

pub fn valid(topic: TopicKind) -> impl Iterator<Item = Example> {
    of(topic).into_iter().filter(|example| example.reason().is_none())
}

pub fn read(topic: TopicKind, case: &str) -> String {
    let path = path(topic, case);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
