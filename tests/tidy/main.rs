//! The house rules as tests. A rule that clippy knows stands in `[lints]` of `Cargo.toml`; any other that a machine can
//! check stands here and nowhere else. Each says where the banned thing belongs instead, and why. To add one, add a row to `BANS` or a limit beside the others.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod docs;
mod source;

use source::{Part, Pattern, Source};

const SRC_FILE_LINES: usize = 400;
const TEST_FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// Something that only certain files may name.
struct Ban {
    what: &'static [Pattern],
    /// The folders and files that it holds for, and of these those that are the allowed door.
    inside: &'static [&'static str],
    except: &'static [&'static str],
    part: Part,
    why: &'static str,
}

use Part::{Everything, Production, Prose, Tests};
use Pattern::{Crate, Text};

const CLIENTS: &[Pattern] = &[
    Crate("tokio"),
    Crate("rdkafka"),
    Crate("redis"),
    Crate("prometheus"),
    Crate("axum"),
    Text("async fn"),
    Text("async move"),
    Text(".await"),
    Text("std::fs"),
    Text("std::net"),
    Text("std::thread"),
];

const CLOCKS: &[Pattern] = &[
    Text("SystemTime::now"),
    Text("Instant::now"),
    Text("Timestamp::now"),
    Text("Zoned::now"),
    Text("Uuid::new_v4"),
    Text("Uuid::now_v7"),
];

const LOOKED_UP: &[Pattern] = &[
    Text("Offset::End"),
    Text("Offset::Beginning"),
    Text("Offset::Stored"),
    Text("Offset::OffsetTail"),
];

const SERDE: &[Pattern] = &[Crate("serde"), Crate("serde_json"), Crate("serde_path_to_error")];

const BANS: &[Ban] = &[
    Ban {
        what: &[Crate("rdkafka"), Crate("rdkafka_sys")],
        inside: &["src"],
        except: &["src/kafka"],
        part: Everything,
        why: "Kafka's client is named in src/kafka alone, so that what it really does is known in one place",
    },
    Ban {
        what: &[Crate("redis")],
        inside: &["src"],
        except: &["src/index"],
        part: Everything,
        why: "Redis's client is named in src/index alone; all else asks the index in the words of the domain",
    },
    Ban {
        what: LOOKED_UP,
        inside: &["src/kafka"],
        except: &["src/kafka/lookup.rs"],
        part: Everything,
        why: "a consumer is given numbers: of a place that the client must look up, a late answer wins over a seek, and \
              records are skipped; ask src/kafka/lookup.rs where it is",
    },
    Ban {
        what: SERDE,
        inside: &["src"],
        except: &[
            "src/contract",
            "src/state",
            "src/config.rs",
            "src/config",
            "src/api",
            "src/admin.rs",
            "src/cli",
        ],
        part: Production,
        why: "bytes become domain values, and back, in src/contract and src/state (and at the program's own faces), once",
    },
    Ban {
        what: CLIENTS,
        inside: &["src/domain", "src/protocol"],
        except: &[],
        part: Everything,
        why: "the rules and the protocol do no I/O: they return what is to be done, and src/worker.rs does it",
    },
    Ban {
        what: CLOCKS,
        inside: &["src/domain", "src/protocol", "src/contract", "src/state"],
        except: &[],
        part: Production,
        why: "a replay must give the same: time is an argument, and ids are made from their cause",
    },
    Ban {
        what: &[Text("Rules::without")],
        inside: &["src"],
        except: &["src/protocol/rules.rs"],
        part: Everything,
        why: "nothing that ships switches a rule off; tests/simulation/sabotage.rs does, to see who notices",
    },
    Ban {
        what: &[Crate("tracing"), Crate("anyhow")],
        inside: &["src/domain"],
        except: &[],
        part: Everything,
        why: "a decision is a value with its reason; whoever performs it logs it",
    },
    Ban {
        what: &[Text("unsafe")],
        inside: &["src", "tests", "benches"],
        except: &["src/kafka/native.rs"],
        part: Everything,
        why: "calls that the safe client lacks stand in src/kafka/native.rs, each with its argument",
    },
    Ban {
        // In two halves, or this file would name them.
        what: &[
            Text(concat!("TO", "DO")),
            Text(concat!("FIX", "ME")),
            Text(concat!("XX", "X")),
        ],
        inside: &["src", "tests", "benches"],
        except: &[],
        part: Prose,
        why: "do it, or file it where work is planned",
    },
    Ban {
        what: &[Text("thread::sleep"), Text("time::sleep")],
        inside: &["src", "tests"],
        except: &["tests/it/wait.rs"],
        part: Tests,
        why: "a test waits for a condition with a deadline, by tests/it/wait.rs; it never sleeps and hopes",
    },
];

#[test]
fn banned_names_stay_behind_their_doors() {
    let sources = Source::all();
    let faults = BANS
        .iter()
        .flat_map(|ban| sources.iter().flat_map(|source| ban.broken_by(source)));
    assert_none(faults.collect());
}

impl Ban {
    fn broken_by(&self, source: &Source) -> Vec<String> {
        if !source.is_under(self.inside) || source.is_under(self.except) {
            return Vec::new();
        }
        let found = self.what.iter().flat_map(|pattern| {
            let lines = source.lines_with(self.part, *pattern);
            lines
                .into_iter()
                .map(move |line| format!("{}:{line}: names {pattern}: {}", source.path, self.why))
        });
        found.collect()
    }
}

#[test]
fn files_are_short() {
    let limit = |source: &Source| {
        if source.is_under(&["src"]) {
            SRC_FILE_LINES
        } else {
            TEST_FILE_LINES
        }
    };
    let long = Source::all()
        .into_iter()
        .filter(|source| source.line_count() > limit(source))
        .map(|source| {
            format!(
                "{}: {} lines, at most {}: find the second noun in it",
                source.path,
                source.line_count(),
                limit(&source)
            )
        });
    assert_none(long.collect());
}

#[test]
fn functions_are_short() {
    let sources = Source::all();
    let faults = sources.iter().flat_map(|source| {
        source
            .functions()
            .into_iter()
            .filter(|function| function.lines > FUNCTION_LINES)
            .map(|function| {
                format!(
                    "{}:{}: {} has {} lines, at most {FUNCTION_LINES}: keep the control flow, move the leaves out",
                    source.path, function.line, function.name, function.lines
                )
            })
    });
    assert_none(faults.collect());
}

#[test]
fn every_file_begins_with_its_promise() {
    let silent = Source::all()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    assert_none(
        silent
            .map(|source| format!("{}:1: begin with a `//!` line", source.path))
            .collect(),
    );
}

#[test]
fn links_and_paths_in_the_docs_lead_somewhere() {
    assert_none(docs::dead_references());
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
