//! The wire contracts: what `schemas/` says is what the router reads and writes.

mod refused;
