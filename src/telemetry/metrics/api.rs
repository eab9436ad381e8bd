//! The API's figures: what is asked by the template of its path, never by what stands in its place.

use super::family::{Counters2, Histograms, Label, Maker, label};
use prometheus::{Error, IntGauge};

/// A call, by its method and the template of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    GetSettings,
    PutSettings,
    GetContact,
    PutContact,
    DeleteContact,
    CreateChatroom,
    GetChatroom,
    Activate,
    Deactivate,
    Expire,
    Send,
    GetPhone,
    Explain,
    Events,
    /// No call of ours, or one that came to nothing before it was known.
    Other,
}

/// The statuses that the API answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpStatus {
    Ok,
    Created,
    Accepted,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Unprocessable,
    TooMany,
    Unavailable,
    /// None that it should.
    Other,
}

label!(Route {
    GetSettings = "GET /v1/orgs/{org}/settings",
    PutSettings = "PUT /v1/orgs/{org}/settings",
    GetContact = "GET /v1/orgs/{org}/contacts/{crm_id}",
    PutContact = "PUT /v1/orgs/{org}/contacts/{crm_id}",
    DeleteContact = "DELETE /v1/orgs/{org}/contacts/{crm_id}",
    CreateChatroom = "POST /v1/orgs/{org}/chatrooms",
    GetChatroom = "GET /v1/orgs/{org}/chatrooms/{id}",
    Activate = "POST /v1/orgs/{org}/chatrooms/{id}/activate",
    Deactivate = "POST /v1/orgs/{org}/chatrooms/{id}/deactivate",
    Expire = "POST /v1/orgs/{org}/chatrooms/{id}/expire",
    Send = "POST /v1/orgs/{org}/chatrooms/{id}/messages",
    GetPhone = "GET /v1/orgs/{org}/phones/{phone}",
    Explain = "POST /v1/orgs/{org}/explain",
    Events = "GET /v1/orgs/{org}/events",
    Other = "other",
});

label!(HttpStatus {
    Ok = "200",
    Created = "201",
    Accepted = "202",
    BadRequest = "400",
    Unauthorized = "401",
    Forbidden = "403",
    NotFound = "404",
    MethodNotAllowed = "405",
    Timeout = "408",
    Conflict = "409",
    TooLarge = "413",
    UnsupportedMediaType = "415",
    Unprocessable = "422",
    TooMany = "429",
    Unavailable = "503",
    Other = "other",
});

impl Route {
    /// By method and template.
    #[must_use]
    pub fn of(method: &str, template: &str) -> Self {
        let named = |route: &&Self| route.name().split_once(' ') == Some((method, template));
        Self::ALL.iter().find(named).copied().unwrap_or(Self::Other)
    }
}

impl HttpStatus {
    #[must_use]
    pub fn of(status: u16) -> Self {
        let text = status.to_string();
        let named = |known: &&Self| known.name() == text;
        Self::ALL.iter().find(named).copied().unwrap_or(Self::Other)
    }
}

/// Requests and those who wait.
pub struct ApiWork {
    pub requests: Counters2<Route, HttpStatus>,
    pub seconds: Histograms<Route>,
    pub waiting: IntGauge,
}

impl ApiWork {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            requests: make.counters2(
                "api_requests_total",
                "Requests answered, by call and status. Alert: 503 over 1 in 100 for 5 minutes; other at all.",
                ["route", "status"],
            )?,
            seconds: make.histograms(
                "api_request_seconds",
                "Time from a request's head to its answer's, by call. Alert: p99 of a write over 2 s for 10 minutes.",
                "route",
            )?,
            waiting: make.gauge(
                "api_waiting",
                "Writes that wait for their result. Watch: rising while transactions_total does not.",
            )?,
        })
    }
}
