//! The API as its clients see it: the real program over HTTP, beside a router on a real Kafka and a real Redis.

mod calls;
mod http;
