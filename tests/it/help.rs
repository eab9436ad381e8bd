//! The examples of `--help` can be typed, and do what they say.

use crate::harness::world::{Plan, World};
use std::collections::VecDeque;

const PROGRAM: &str = "chatroom-router";

/// Those that go on for long, or that need a file.
const NOT_HERE: [&str; 4] = ["run", "demo", "load", "completions"];

/// The help of the program and of each of its commands.
fn all_help(world: &World) -> Vec<String> {
    let mut waiting = VecDeque::from([Vec::new()]);
    let mut found = Vec::new();
    while let Some(words) = waiting.pop_front() {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = String::from_utf8(world.command(&arguments).stdout).expect("text");
        let below = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = below
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next());
        let named = names.filter(|name| *name != "help");
        waiting.extend(named.map(|name| [words.clone(), vec![name.to_owned()]].concat()));
        found.push(help);
    }
    found
}

struct Example {
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// A line of a help that calls the program and nothing else.
fn example(line: &str) -> Option<Example> {
    let line = line.strip_prefix("  ")?;
    let typed = line.split("  ").next()?;
    let mut words = typed.split_whitespace().peekable();
    let mut variables = Vec::new();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        variables.push((name.to_owned(), value.to_owned()));
        words.next();
    }
    (words.next() == Some(PROGRAM)).then_some(())?;
    let arguments: Vec<String> = words.map(str::to_owned).collect();
    let is_alone = !arguments.iter().any(|word| ["|", ">", "&&"].contains(&word.as_str()));
    let needs_a_file = arguments.iter().any(|word| word == "--config" || word == "--to");
    // An input that was halted, in a process whose admin server stands where the example says.
    let needs_a_halt = arguments.iter().any(|word| word == "go-on");
    let is_here = !NOT_HERE.contains(&arguments.first()?.as_str());
    (is_alone && is_here && !needs_a_file && !needs_a_halt).then_some(Example { variables, arguments })
}

#[test]
fn the_examples_of_every_help_do_what_they_say() {
    let world = World::start(&Plan {
        own_redis: false,
        ..Plan::new("help")
    });
    let mut typed = 0;
    for help in all_help(&world) {
        for line in help.lines() {
            let Some(Example { variables, arguments }) = example(line) else {
                continue;
            };
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let output = world.command_with(&variables, &arguments);
            // There may be nothing to be found.
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(0 | 65)),
                "{line}: {}\n{words}",
                output.status
            );
            typed += 1;
        }
    }
    assert!(typed > 15, "{typed}");
}
