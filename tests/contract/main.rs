//! The wire contracts: what the files of the folder schemas say is what the router reads and writes.
//!
//! `UPDATE_EXAMPLES=1` writes the examples of the outputs anew; read the difference before you commit it.

mod asyncapi;
mod examples;
mod fixtures;
mod inputs;
mod json_text;
mod outputs;
mod published;
mod refused;
mod schemas;
