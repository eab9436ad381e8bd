//! The kill table: each rule is switched off in turn, and one of the first seeds must notice. `kill-table.md` says which did;
//! it is written anew by `SIM_TABLE=write cargo test --test simulation every_rule`.

use crate::run;
use crate::sabotage::{RULES, Sabotage};
use crate::shrink::{Failure, Less};

/// Within so many seeds each must be noticed.
const SEEDS: u64 = 5_000;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/simulation/kill-table.md");
const LONGEST: usize = 110;

const HEAD: &str = "\
# What the simulation notices

Each rule of the protocol is switched off in turn, and the schedules of the seeds 1, 2, 3 and so on are run until one of them
breaks a promise. A rule that none of the first 5,000 seeds misses fails `make test`. Written by
`SIM_TABLE=write cargo test --locked --test simulation every_rule`.

| the rule | what is done instead | noticed by seed | after so many steps of it | what is broken then |
| --- | --- | ---: | ---: | --- |
";

/// A row of the table that was written: the rule, what is done instead, and the seed that noticed.
fn written() -> Vec<(String, String, u64)> {
    let table = std::fs::read_to_string(FILE).unwrap_or_default();
    let rows = table.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    rows.filter_map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().to_owned()).skip(1);
        Some((cells.next()?, cells.next()?, cells.next()?.parse().ok()?))
    })
    .collect()
}

/// The first of these seeds that fails with the rule off, and how.
fn notice(off: Sabotage, mut seeds: impl Iterator<Item = u64>) -> Option<(u64, Failure)> {
    seeds.find_map(|seed| Some((seed, run(seed, &Less::default(), Some(off)).err()?)))
}

fn row((_, rule, instead): (Sabotage, &str, &str), seed: u64, failure: &Failure) -> String {
    let sentence = failure.sentence.lines().next().unwrap_or_default();
    let sentence: String = sentence
        .replace('|', "/")
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    format!("| {rule} | {instead} | {seed} | {} | {sentence} |\n", failure.steps)
}

/// The seed that noticed when the table was written is asked first; after a change of the protocol it may be another.
#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "built for release, the rules inside the core can't be switched off"
)]
fn every_rule_that_is_switched_off_is_noticed() {
    let writes = std::env::var_os("SIM_TABLE").is_some();
    let only = std::env::var("SIM_RULE").ok();
    let known = written();
    let mut survivors = Vec::new();
    let mut table = HEAD.to_owned();
    for (off, rule, instead) in RULES {
        if only.as_ref().is_some_and(|only| *only != format!("{off:?}")) {
            continue;
        }
        let first = known.iter().find(|(known, ..)| known == rule).map(|(.., seed)| *seed);
        let first = first.filter(|seed| !writes && *seed <= SEEDS);
        match notice(*off, first.into_iter().chain(1..=SEEDS)) {
            Some((seed, failure)) => {
                let row = row((*off, rule, instead), seed, &failure);
                eprint!("{row}");
                table += &row;
            }
            None => survivors.push(off),
        }
    }
    if writes {
        std::fs::write(FILE, &table).expect("the table can be written");
    }
    assert!(survivors.is_empty(), "nobody noticed: {survivors:?}");
}

#[test]
fn the_kill_table_names_every_rule() {
    let written = written();
    let named: Vec<(&str, &str)> = written.iter().map(|(rule, instead, _)| (&**rule, &**instead)).collect();
    let rules: Vec<(&str, &str)> = RULES.iter().map(|(_, rule, instead)| (*rule, *instead)).collect();
    assert_eq!(
        named, rules,
        "write it anew: SIM_TABLE=write cargo test --locked --test simulation every_rule"
    );
    assert!(
        written.iter().all(|(.., seed)| *seed <= SEEDS),
        "a rule is noticed too late"
    );
}
