//! Cuts a stream that diverges down to the records that it takes.

use crate::play::{Act, Divergence, Play, line};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Panics of a stream that is tried print nothing.
pub fn quietly(quiet: bool) {
    if quiet {
        std::panic::set_hook(Box::new(|_| {}));
    } else {
        _ = std::panic::take_hook();
    }
}

pub fn report(seed: u64, mut acts: Vec<Act>, first: &Divergence) -> String {
    quietly(true);
    let mut last = first.0.clone();
    let mut piece = acts.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < acts.len() {
            let fewer: Vec<Act> = [&acts[..from], &acts[(from + piece).min(acts.len())..]].concat();
            match fails(seed, &fewer) {
                Some(divergence) => (acts, last) = (fewer, divergence),
                None => from += piece,
            }
        }
        piece /= 2;
    }
    for place in 0..acts.len() {
        shorten(seed, &mut acts, place, &mut last);
    }
    quietly(false);
    let shown: Vec<String> = acts.iter().map(line).collect();
    format!("STREAMS_SEED={seed} diverges:\n{}\n\n{last}", shown.join("\n"))
}

/// Drops the records of one lane that it doesn't take.
fn shorten(seed: u64, acts: &mut [Act], place: usize, last: &mut String) {
    let mut from = 0;
    while let Act::Lane(records) = &acts[place]
        && from < records.len()
    {
        let mut fewer = records.clone();
        fewer.remove(from);
        let whole = std::mem::replace(&mut acts[place], Act::Lane(fewer));
        match fails(seed, acts) {
            Some(divergence) => *last = divergence,
            None => {
                acts[place] = whole;
                from += 1;
            }
        }
    }
}

fn fails(seed: u64, acts: &[Act]) -> Option<String> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut play = Play::new(seed);
        acts.iter().try_for_each(|act| play.act(act))?;
        play.end()
    }));
    match played {
        Ok(Ok(())) => None,
        Ok(Err(divergence)) => Some(divergence.0),
        // Some cuts ask the model for what can't be.
        Err(_) => None,
    }
}
