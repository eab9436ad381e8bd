//! Tests of the state as a whole: every value comes back as it was, and what is held in memory never says what isn't so.

mod arbitrary;
mod arbitrary_commands;
mod golden;
mod golden_values;
mod overlay;
mod round_trip;
mod samples;
mod working_set;
