//! What commands print: a table for people, JSON for scripts. A reader who has seen enough (`| head`) is no failure.

use crate::failure::{Exit, Failure};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use std::io::{self, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// Where a command prints, and how.
pub struct Out<'a> {
    to: &'a mut dyn Write,
    pub output: Output,
}

impl<'a> Out<'a> {
    pub fn new(to: &'a mut dyn Write, output: Output) -> Self {
        Self { to, output }
    }

    /// Whether scripts read it.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        settled(writeln!(self.to, "{line}"))
    }

    /// As they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        settled(self.to.write_all(bytes))
    }

    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        settled(writeln!(self.to, "{value:#}"))
    }

    /// One object on one line, for who reads while more comes.
    pub fn json_line(&mut self, value: &Value) -> Result<(), Failure> {
        settled(writeln!(self.to, "{value}"))
    }

    /// On a terminal as wide as that, else as wide as it needs.
    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: Vec<[String; N]>) -> Result<(), Failure> {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(head)
            .add_rows(rows);
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.line(&lines.join("\n"))
    }
}

fn settled(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Internal,
            format!("can't write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}
