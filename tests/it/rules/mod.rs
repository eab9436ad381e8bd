//! The scenarios, named by the rule that each proves.

mod activation;
mod chatrooms;
mod contacts;
mod order;
mod outbound;
mod phones;
mod replies;
mod results;
mod routing;
mod timers;
