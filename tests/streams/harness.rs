//! What the model and the judge of outputs share with the tests against services.

#[path = "../it/harness/assert.rs"]
pub mod assert;
#[path = "../it/harness/log.rs"]
pub mod log;
#[path = "../it/harness/names.rs"]
pub mod names;
