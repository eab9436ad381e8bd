//! The API as its clients see it: the real program over HTTP, beside a router on a real Kafka and a real Redis.

mod bounds;
mod calls;
mod fuzz;
mod http;
mod outages;
mod tenants;
mod tls;
