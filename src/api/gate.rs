//! Who comes in: a token that is known, within its rate, for an org that is its own, with the scope that the call needs.
//! Everything else is turned away here, before anything is read, and in words that tell nothing of other orgs.

use super::Api;
use super::problem::{self, Problem};
use crate::config::{self, Token};
use crate::domain::ids::OrgId;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use std::num::NonZeroU32;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Semaphore;

/// A longer text is no token, and not worth hashing.
const MAX_TOKEN_BYTES: usize = 1_024;

/// All tokens, each with what it may still do.
pub struct Gate(Vec<Arc<Holder>>);

/// A token and its bounds. Found by middleware, kept with the request.
pub struct Holder {
    pub token: Token,
    rate: DefaultDirectRateLimiter,
    at_once: Arc<Semaphore>,
    /// How many more streams of events it may open.
    pub streams: Arc<Semaphore>,
}

impl Gate {
    #[must_use]
    pub fn new(config: &config::Api) -> Self {
        let per_second = NonZeroU32::new(config.requests_per_second).unwrap_or(NonZeroU32::MIN);
        let holder = |token: &Token| {
            Arc::new(Holder {
                token: token.clone(),
                rate: RateLimiter::direct(Quota::per_second(per_second)),
                at_once: Arc::new(Semaphore::new(config.requests_at_once)),
                streams: Arc::new(Semaphore::new(config.events.max_readers_per_token)),
            })
        };
        Self(config.tokens.iter().map(holder).collect())
    }

    /// The holder of the token that the request shows. Compares with all, so that the time tells nothing.
    fn holder(&self, headers: &HeaderMap) -> Option<&Arc<Holder>> {
        let shown = bearer(headers)?;
        let hash: [u8; 32] = Sha256::digest(shown).into();
        let none = u32::MAX;
        let mut found = none;
        for (place, holder) in (0_u32..).zip(&self.0) {
            let same: Choice = holder.token.sha256.ct_eq(&hash);
            found = u32::conditional_select(&found, &place, same);
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    let fits = scheme.eq_ignore_ascii_case(b"Bearer ") && (1..=MAX_TOKEN_BYTES).contains(&token.len());
    fits.then_some(token)
}

/// Lets a request in, or answers it.
pub async fn admit(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let Some(holder) = api.gate.holder(request.headers()).cloned() else {
        return Problem::unauthorized().into_response();
    };
    if let Err(until) = holder.rate.check() {
        let wait = until.wait_time_from(DefaultClock::default().now());
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        return Problem::too_many("the token has used up its rate: send less", seconds).into_response();
    }
    let Ok(_permit) = holder.at_once.clone().try_acquire_owned() else {
        let detail = "as many requests of the token as it may have are under way: wait for some of them";
        return Problem::too_many(detail, 1).into_response();
    };
    request.extensions_mut().insert(holder);
    next.run(request).await
}

/// A place in an org that the token may read or write, with the other names of its path.
pub struct Place<const WRITES: bool> {
    pub org: OrgId,
    pub holder: Arc<Holder>,
    names: Vec<(String, String)>,
}

pub type Readable = Place<false>;
pub type Writable = Place<true>;

impl<const WRITES: bool> Place<WRITES> {
    /// A name of the path, decoded; empty where the path has none.
    #[must_use]
    pub fn name(&self, name: &str) -> &str {
        let mut named = self.names.iter().filter(|(known, _)| known == name);
        named.next().map_or("", |(_, text)| text)
    }
}

impl<const WRITES: bool> FromRequestParts<Arc<Api>> for Place<WRITES> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let holder = parts.extensions.get::<Arc<Holder>>().cloned();
        let holder = holder.ok_or_else(Problem::unauthorized)?;
        let names = RawPathParams::from_request_parts(parts, api).await.map_err(|_| {
            let detail = "the path holds bytes that are no UTF-8: encode its names";
            Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
        })?;
        let names: Vec<(String, String)> = names
            .iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        let named = names.iter().find(|(name, _)| name == "org");
        let org = problem::org(named.map_or("", |(_, org)| org))?;
        check(&holder.token, &org, WRITES)?;
        Ok(Self { org, holder, names })
    }
}

/// Another's org is as unknown as one that isn't there, whatever the scopes.
fn check(token: &Token, org: &OrgId, writes: bool) -> Result<(), Problem> {
    if !token.orgs.contain(org) {
        return Err(Problem::unknown_org());
    }
    match writes {
        true if !token.writes => Err(Problem::missing_scope("write")),
        false if !token.reads => Err(Problem::missing_scope("read")),
        _ => Ok(()),
    }
}
