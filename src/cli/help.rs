//! `completions` and `man`: what a shell and a reader need to know of the command line, made from its own description, so
//! that they can't name what is not there.

use super::Cli;
use super::output::Out;
use crate::failure::{Exit, Failure};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "chatroom-router";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  chatroom-router completions bash > /etc/bash_completion.d/chatroom-router
  chatroom-router completions zsh > /usr/local/share/zsh/site-functions/_chatroom-router
  chatroom-router completions fish > ~/.config/fish/completions/chatroom-router.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  chatroom-router man | man -l -
  chatroom-router man topics plan | man -l -
  chatroom-router man --to /usr/local/share/man/man1";

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose completions to print.
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command whose page to print; else the program's own.
    pub command: Vec<String>,
    /// Write all pages into this directory, which must be there, in place of printing one.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    pub to: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    out.bytes(&script)
}

pub fn man(args: &ManArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut whole = Cli::command().disable_help_subcommand(true).propagate_version(true);
    whole.build();
    match &args.to {
        Some(directory) => write_all(&whole, directory),
        None => out.bytes(&page(named(&whole, &args.command)?)?),
    }
}

fn named<'a>(whole: &'a Command, words: &[String]) -> Result<&'a Command, Failure> {
    words.iter().try_fold(whole, |found, word| {
        let unknown = || {
            let sentence = format!("there is no command {}: see `{NAME} --help`", words.join(" "));
            Failure::new(Exit::Usage, sentence)
        };
        found.find_subcommand(word).ok_or_else(unknown)
    })
}

fn write_all(command: &Command, directory: &Path) -> Result<(), Failure> {
    let man = Man::new(command.clone());
    let path = directory.join(man.get_filename());
    fs::write(&path, page(command)?).map_err(|error| {
        let sentence = format!(
            "can't write {}: {error}: name a directory that is there",
            path.display()
        );
        Failure::new(Exit::Usage, sentence)
    })?;
    let mut below = command.get_subcommands();
    below.try_for_each(|command| write_all(command, directory))
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let written = Man::new(command.clone()).render(&mut page);
    written.map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
    // What stands below the options of a command begins with its examples.
    let text = String::from_utf8_lossy(&page);
    Ok(text
        .replacen(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n", 1)
        .into_bytes())
}
