//! Random streams through the program's own judging, from bytes to bytes, in this process: no Kafka, no Redis, no waiting,
//! so thousands of records a second. What is published must be what the model says, which shares no code with it.
//!
//! `STREAMS_SEED` plays one stream, `STREAMS` that many fresh ones. A stream that diverges is cut down to the records that
//! it takes, and printed.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

#[path = "../it/faults/dice.rs"]
#[allow(dead_code)]
mod dice;
mod generator;
#[allow(dead_code)]
mod harness;
#[path = "../it/model/mod.rs"]
#[allow(dead_code)]
mod model;
mod play;
mod router;
mod shrink;
#[path = "../it/verify.rs"]
#[allow(dead_code)]
mod verify;
#[path = "../it/wait.rs"]
#[allow(dead_code)]
mod wait;

use generator::Generator;
use play::{Act, Divergence, Play};

/// Streams that are always played.
const KNOWN: u64 = 40;

fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Makes a stream as it is played, since what may come next depends on what there is. Gives back all of it.
fn stream(seed: u64) -> (Vec<Act>, Result<(), Divergence>) {
    let mut play = Play::new(seed);
    let mut generator = Generator::new(seed);
    let mut acts = Vec::new();
    while let Some(act) = generator.next(&play) {
        acts.push(act.clone());
        if let Err(divergence) = play.act(&act) {
            return (acts, Err(divergence));
        }
    }
    (acts, play.end())
}

#[test]
fn every_stream_is_published_as_the_model_says() {
    let seeds = match (given("STREAMS_SEED"), given("STREAMS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => {
            let first =
                std::process::id() as u64 * 1_000_003 + std::time::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_secs());
            first..first + count
        }
        (None, None) => 0..KNOWN,
    };
    for seed in seeds {
        shrink::quietly(true);
        let played = std::panic::catch_unwind(|| stream(seed));
        shrink::quietly(false);
        match played {
            Ok((_, Ok(()))) => {}
            Ok((acts, Err(divergence))) => panic!("{}", shrink::report(seed, acts, &divergence)),
            Err(_) => {
                eprintln!("STREAMS_SEED={seed} panics:");
                stream(seed).1.expect("it panicked before");
            }
        }
    }
}
