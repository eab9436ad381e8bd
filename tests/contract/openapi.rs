//! The API's document: kept in the folder schemas as the code makes it, and of one mind with the contracts of the topics.

use crate::examples::folder;
use chatroom_router::api::openapi;
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
