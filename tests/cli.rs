//! The binary from outside: what it prints, on which stream, and its exit codes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

#[path = "it/harness/printed.rs"]
mod printed;

use chatroom_router::cli::Cli;
use clap::{CommandFactory, Parser};
use std::process::{Command, Output};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatroom-router"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHATROOM_ROUTER_")) {
        command.env_remove(name);
    }
    let output = command
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    printed::check(arguments, &output.stdout);
    output
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_and_version_are_done_wrong_usage_is_64() {
    for (arguments, exit) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["config", "--help"], 0),
        (&[], 64),
        (&["config"], 64),
        (&["nonsense"], 64),
        (&["config", "show", "--nonsense"], 64),
        (&["config", "show", "--output", "yaml"], 64),
    ] {
        assert_eq!(code(&run(arguments, &[])), exit, "{arguments:?}");
    }
}

#[test]
fn a_configuration_with_faults_is_78_and_all_are_told() {
    let faulty = [
        ("CHATROOM_ROUTER_WORKERS", "65"),
        ("CHATROOM_ROUTER_BATCH__LINGER", "5"),
    ];
    for arguments in [&["config", "check"][..], &["config", "show"], &["topics", "plan"]] {
        let output = run(arguments, &faulty);
        assert_eq!(code(&output), 78, "{arguments:?}");
        let told = stderr(&output);
        assert!(
            told.starts_with("chatroom-router: the configuration has 2 faults:"),
            "{told}"
        );
        assert!(
            told.contains("workers (env CHATROOM_ROUTER_WORKERS)") && told.contains("batch.linger"),
            "{told}"
        );
        assert!(stdout(&output).is_empty());
    }
}

#[test]
fn faults_for_scripts_are_json() {
    let output = run(
        &["--output", "json", "config", "check"],
        &[("CHATROOM_ROUTER_WORKERS", "65")],
    );
    assert_eq!(code(&output), 78);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["faults"][0]["key"], "workers");
    assert_eq!(told["faults"][0]["from"]["variable"], "CHATROOM_ROUTER_WORKERS");
    let output = run(&["config", "check", "--output", "json"], &[]);
    assert_eq!(code(&output), 0);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["faults"], serde_json::json!([]));
}

#[test]
fn what_holds_is_shown_with_its_origin_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("router.toml");
    std::fs::write(&file, "[batch]\nlinger_ms = 7\n[index]\npassword = \"s3cret\"\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("CHATROOM_ROUTER_CONFIG", "/absent"), ("CHATROOM_ROUTER_WORKERS", "3")];
    let output = run(&["config", "show", "--config", file], &variables);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let table = stdout(&output);
    assert!(!table.contains("s3cret"), "{table}");
    let row = |key: &str| {
        table
            .lines()
            .find(|line| line.contains(key))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        row("batch.linger_ms").contains(" 7 ") && row("batch.linger_ms").contains("router.toml"),
        "{table}"
    );
    assert!(row("workers").contains("env CHATROOM_ROUTER_WORKERS"), "{table}");
    assert!(row("index.password").contains("(redacted)"), "{table}");

    let output = run(&["config", "show", "--config", file, "--output", "json"], &variables);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let linger = shown["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == "batch.linger_ms");
    assert_eq!(linger.unwrap()["value"], "7");
    assert_eq!(linger.unwrap()["default"], "5");
}

#[test]
fn a_file_that_is_not_there_is_a_fault_of_the_configuration() {
    let output = run(&["config", "check", "--config", "/absent.toml"], &[]);
    assert_eq!(code(&output), 78);
    assert!(
        stderr(&output).contains("--config (file /absent.toml) can't be read"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_demo_plays_its_script_and_checks_it() {
    // What a router of one's own is set to, faults included, is not the demo's.
    let variables = [
        ("CHATROOM_ROUTER_KAFKA__BROKERS", "nowhere:1"),
        ("CHATROOM_ROUTER_WORKERS", "65"),
        ("CHATROOM_ROUTER_CONFIG", "/absent"),
    ];
    let output = run(&["demo", "--once"], &variables);
    let (table, told) = (stdout(&output), stderr(&output));
    assert_eq!(code(&output), 0, "{table}{told}");
    assert_eq!(told, "");
    for line in [
        "→ chatroom “Asha Rao”, woken up",
        "CHATROOM_CONFLICT",
        "CHATROOM_DEACTIVATED",
        "dropped: nothing leaves",
        "NO_CONTACT",
        "→ auto-reply to",
        "→ dead-letters: NOT_JSON",
        "steps went where the rules say",
    ] {
        assert!(table.contains(line), "{line} is not in\n{table}");
    }
    assert!(!table.contains('\u{1b}'), "colours only on a terminal");
}

#[test]
fn the_demo_for_scripts_is_one_object_a_step() {
    let output = run(&["demo", "--once", "--output", "json"], &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let steps: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(steps.len() > 20);
    for (place, step) in steps.iter().enumerate() {
        assert_eq!(step["step"], place + 1);
        assert_eq!(step["as_expected"], true);
        assert!(!step["in"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_load_for_other_hosts_needs_a_yes() {
    let output = run(
        &["load"],
        &[("CHATROOM_ROUTER_KAFKA__BROKERS", "kafka-1.example.org:9092")],
    );
    assert_eq!(code(&output), 64);
    let told = stderr(&output);
    assert!(
        told.contains("load would write test data to kafka-1.example.org:9092") && told.contains("--yes"),
        "{told}"
    );
}

#[test]
fn a_load_without_a_kafka_is_69() {
    let output = run(&["load"], &[("CHATROOM_ROUTER_KAFKA__BROKERS", "127.0.0.1:1")]);
    assert_eq!((code(&output), stdout(&output)), (69, String::new()));
    assert!(
        stderr(&output).contains("Kafka at 127.0.0.1:1 can't be reached"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_was_put_aside_can_not_be_read_without_a_kafka() {
    let asked = |arguments: &[&str]| {
        let output = run(arguments, &[("CHATROOM_ROUTER_KAFKA__BROKERS", "127.0.0.1:1")]);
        assert_eq!((code(&output), stdout(&output)), (69, String::new()), "{arguments:?}");
        let told = stderr(&output);
        assert!(told.contains("Kafka at 127.0.0.1:1 can't be reached"), "{told}");
    };
    // Each tries until its deadline, so both do at once.
    std::thread::scope(|scope| {
        scope.spawn(|| asked(&["dead-letters", "list"]));
        scope.spawn(|| asked(&["unrouted", "replay"]));
    });
}

#[test]
fn the_readmes_commands_on_what_was_put_aside_can_be_typed() {
    let readme = include_str!("../README.md");
    let program = "chatroom-router ";
    let about = ["dead-letters ", "unrouted ", "explain "];
    let lines = readme.lines().filter_map(|line| line.strip_prefix(program));
    let cells = readme.split('`').filter_map(|cell| cell.strip_prefix(program));
    let commands: Vec<&str> = lines
        .chain(cells)
        .filter(|typed| about.iter().any(|word| typed.starts_with(word)))
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let command = command.split(" #").next().unwrap_or(command);
        let typed = std::iter::once("chatroom-router").chain(command.split_whitespace());
        if let Err(fault) = Cli::try_parse_from(typed) {
            panic!("`{command}`: {fault}");
        }
    }
}

/// Each command with the words that call it, the program itself first.
fn all_commands() -> Vec<(Vec<String>, clap::Command)> {
    let mut found = vec![(Vec::new(), Cli::command())];
    let mut place = 0;
    while let Some((words, command)) = found.get(place).cloned() {
        let below = command.get_subcommands().map(|below| {
            let words = [words.clone(), vec![below.get_name().to_owned()]].concat();
            (words, below.clone())
        });
        found.extend(below.collect::<Vec<_>>());
        place += 1;
    }
    found
}

/// Those of a command's help, without what sets variables before them and what goes on behind.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let program = "chatroom-router ";
    let lines = help
        .lines()
        .filter(|line| line.starts_with("  ") && line.contains(program));
    let example = |line: &str| {
        let line = &line[line.find(program).unwrap()..];
        let end = [" && ", " | ", " > ", "  "]
            .iter()
            .filter_map(|stop| line.find(stop))
            .min();
        line[..end.unwrap_or(line.len())].to_owned()
    };
    lines.map(example).collect()
}

#[test]
fn every_command_shows_examples_that_can_be_typed() {
    for (words, command) in all_commands() {
        let examples = examples(&command);
        assert!(
            !examples.is_empty(),
            "`{}` has no examples: give it an after_help",
            words.join(" ")
        );
        for example in examples {
            let typed: Vec<&str> = example.split_whitespace().collect();
            let is_its_own = typed[1..].iter().zip(&words).all(|(typed, word)| typed == word);
            assert!(is_its_own, "`{example}` is no example of `{}`", words.join(" "));
            if let Err(fault) = Cli::try_parse_from(&typed) {
                panic!("`{example}`: {fault}");
            }
        }
    }
}

#[test]
fn every_command_that_prints_data_has_a_schema() {
    const PRINT_NONE: [&str; 3] = ["run", "completions", "man"];
    for (words, command) in all_commands() {
        let is_leaf = command.get_subcommands().next().is_none();
        if is_leaf && !PRINT_NONE.contains(&words[0].as_str()) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let schema = printed::schema_path(&words);
            assert!(schema.is_some(), "schemas/commands/{}.json is missing", words.join("-"));
        }
    }
}

#[test]
fn completions_and_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&run(&["completions", shell], &[]));
        for (words, _) in all_commands() {
            let name = words.last().map_or("chatroom-router", String::as_str);
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["man", "--to", folder.path().to_str().unwrap()], &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for (words, _) in all_commands() {
        let name = [vec!["chatroom-router".to_owned()], words.clone()].concat().join("-");
        let written = std::fs::read_to_string(folder.path().join(name).with_extension("1")).unwrap();
        assert!(written.contains(".SH EXAMPLES"), "{words:?}");
        let words: Vec<&str> = std::iter::once("man").chain(words.iter().map(String::as_str)).collect();
        assert_eq!(stdout(&run(&words, &[])), written, "{words:?}");
    }
    assert_eq!(code(&run(&["man", "nonsense"], &[])), 64);
}

/// Ends the demo however the test ends.
struct Demo(std::process::Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_runs_on_with_an_api_that_its_own_line_asks() {
    use std::io::{BufRead, BufReader};
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatroom-router"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHATROOM_ROUTER_")) {
        command.env_remove(name);
    }
    command.arg("demo").stdout(std::process::Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let line = lines
        .find_map(|line| line.ok().filter(|line| line.contains("curl -H")))
        .unwrap();
    let mut quoted = line.split('\'');
    let (_, header, url) = (
        quoted.next().unwrap(),
        quoted.next().unwrap(),
        quoted.next().unwrap().trim(),
    );
    let (name, value) = header.split_once(": ").unwrap();
    let mut answer = ureq::get(url).header(name, value).call().unwrap();
    let contact: serde_json::Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(
        (&contact["crm_id"], &contact["status"]),
        (&"L-17".into(), &"ACTIVE".into())
    );
}
