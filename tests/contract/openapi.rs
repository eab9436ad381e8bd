//! The API's document: kept in the folder schemas as the code makes it, and of one mind with the contracts of the topics.

use crate::examples::{self, folder};
use chatroom_router::api::openapi;
use chatroom_router::contract::TopicKind;
use serde_json::Value;
use std::fs;

#[test]
fn the_document_that_is_kept_is_the_one_that_is_made() {
    let path = folder().join("openapi.json");
    let made = openapi::json();
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "schemas/openapi.json is not what the code makes: run the test with UPDATE_EXAMPLES=1 and read the difference"
    );
}

/// What the topics take, the API takes: the examples of the commands hold by the schemas of its bodies, once what the path
/// says is taken out, and those that the schemas of the topics refuse for a field of the body are refused here too.
#[test]
fn the_bodies_are_those_of_the_topics() {
    let document: Value = serde_json::from_str(&openapi::json()).unwrap();
    let mut held = 0;
    for (topic, kind, schema, path) in [
        (TopicKind::OrgSettings, None, "SettingsBody", &["org_id"][..]),
        (
            TopicKind::CrmChanges,
            Some("contact.upsert"),
            "ContactBody",
            &["org_id", "type", "crm_id"],
        ),
        (
            TopicKind::CrmChanges,
            Some("chatroom.create"),
            "NewChatroom",
            &["org_id", "type"],
        ),
        (
            TopicKind::OutboundRequests,
            None,
            "NewMessage",
            &["org_id", "chatroom_id"],
        ),
    ] {
        let mut rooted = document.clone();
        rooted["$ref"] = format!("#/components/schemas/{schema}").into();
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&rooted)
            .unwrap();
        for example in examples::of(topic) {
            let mut value: Value = serde_json::from_str(&example.text).unwrap();
            let about = value["type"].as_str().map(str::to_owned);
            let of_the_path = ["request-id", "no-chatroom"]
                .iter()
                .any(|word| example.case.contains(word));
            if kind.is_some_and(|kind| about.as_deref() != Some(kind)) || of_the_path && example.reason().is_some() {
                continue;
            }
            let fields = value.as_object_mut().unwrap();
            fields.remove("request_id");
            path.iter().for_each(|name| _ = fields.remove(*name));
            // Only a phone can't be judged by a schema.
            let wanted = example.reason().is_none_or(|reason| reason == "BAD_PHONE");
            assert_eq!(
                validator.is_valid(&value),
                wanted,
                "{schema} and {}: {value}",
                example.case
            );
            held += 1;
        }
    }
    assert!(held > 15, "{held}");
}
