//! A recorded verdict to an action: pass, or a redirect with a sealed payload (SPEC 12).
//!
//! Also what a connector gets to act on when it is alone: the portal's place and sealed tokens.
//!
//! INVARIANT: nothing becomes an action but a [`Recorded`] verdict, and no two tokens share a salt
//! and a nonce.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use eg_policy::client::Request;
use eg_policy::guard::PortalGuard;
use eg_policy::moment::Moment;
use eg_proto::{Action, FailureCause, FailureToken, PayloadRef, PortalSecret, Route, Sealer, Wear};

use crate::audit::Recorded;
use crate::config::{CaptivePortal, RedirectStatus};
use crate::convert::action_of;
use crate::tags::{TagReader, TagWriter};

/// How long a failure token is good: a connector may be without an engine for as long as nobody
/// repairs one, and its token leads to nothing but the page that says so. Ten years.
const FAILURE_TOKEN_SECONDS: i64 = 10 * 365 * 86_400;

/// Room for the longest token, so that sealing never grows it.
const TOKEN_CAPACITY: usize = eg_proto::limits::TOKEN_BYTES_MAX;

/// Where clients are sent and how that is sealed; shared by all workers.
#[derive(Debug, Clone)]
pub struct PortalLinks {
    settings: Arc<Settings>,
}

struct Settings {
    base_url: String,
    secret: PortalSecret,
    previous: Option<PortalSecret>,
    guard: Option<PortalGuard>,
    redirect_status: RedirectStatus,
    /// Seconds that a payload counts.
    payload_seconds: i64,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl PortalLinks {
    /// The links that `[captive_portal]` asks for.
    #[must_use]
    pub fn new(config: &CaptivePortal) -> Self {
        let settings = Settings {
            base_url: config.base_url.clone(),
            secret: config.secret.clone(),
            previous: config.previous.clone(),
            guard: PortalGuard::new(&config.base_url),
            redirect_status: config.redirect_status,
            payload_seconds: i64::try_from(config.ack_token_max_age.as_secs()).unwrap_or(i64::MAX),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Where the portal is.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.settings.base_url
    }

    /// The status of a redirect.
    #[must_use]
    pub fn redirect_status(&self) -> RedirectStatus {
        self.settings.redirect_status
    }

    /// One worker's sealer, under a salt of its own.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn link(&self) -> io::Result<PortalLink> {
        let Drawn { salt, nonce } = Drawn::draw()?;
        Ok(PortalLink {
            sealer: Sealer::new(&self.settings.secret, salt),
            nonce,
            settings: Arc::clone(&self.settings),
            token: Vec::with_capacity(TOKEN_CAPACITY),
        })
    }
}

impl PortalLinks {
    /// One worker's sealing and reading of tags.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub(crate) fn tags(&self) -> io::Result<(TagWriter, TagReader)> {
        let Settings { secret, previous, .. } = &*self.settings;
        Ok((TagWriter::new(secret)?, TagReader::new(secret.clone(), previous.clone())))
    }
}

/// What is random about a sealer.
pub(crate) struct Drawn {
    pub(crate) salt: [u8; 16],
    pub(crate) nonce: [u8; 12],
}

impl Drawn {
    pub(crate) fn draw() -> io::Result<Self> {
        let mut drawn = Self { salt: [0; 16], nonce: [0; 12] };
        getrandom::fill(&mut drawn.salt).map_err(io::Error::other)?;
        getrandom::fill(&mut drawn.nonce).map_err(io::Error::other)?;
        Ok(drawn)
    }
}

/// What the client wanted, for the portal to show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The URL as sent.
    pub url: &'a [u8],
    /// Its canonical form; empty where it has none.
    pub canonical: &'a [u8],
    /// The client, where it could be read.
    pub client: Option<IpAddr>,
    /// The user.
    pub user: Option<&'a [u8]>,
}

/// One worker's way from verdicts to actions.
#[derive(Debug)]
pub struct PortalLink {
    sealer: Sealer,
    /// Random at first, then counted on: unique for a salt, without asking the system every time.
    nonce: [u8; 12],
    settings: Arc<Settings>,
    token: Vec<u8>,
}

impl PortalLink {
    /// What the connector must do, and the token for the portal, empty for a permit.
    ///
    /// Total: where nothing can be sealed the token is empty, and the client is blocked without it.
    pub fn action_for(&mut self, recorded: &Recorded<'_>, wanted: &Wanted<'_>) -> (Action, &[u8]) {
        self.token.clear();
        let verdict = recorded.verdict();
        let action = action_of(verdict.action);
        if let Some(route) = action.route() {
            let at = seconds(recorded.at());
            let decision = recorded.decision().text();
            let payload = PayloadRef {
                decision: decision.as_str(),
                rule: verdict.rule_name(),
                rule_id: verdict.rule_id().map(|id| id.0),
                action,
                reason: verdict.reason(),
                category: verdict.category(),
                url: wanted.url,
                canonical: wanted.canonical,
                client: wanted.client,
                user: wanted.user,
                at,
                expires: at.saturating_add(self.settings.payload_seconds),
                ack_token: None,
            };
            self.seal(route, &payload);
        }
        (action, &self.token)
    }

    /// Whether a request is one for the portal itself.
    pub(crate) fn guards(&self, request: &Request<'_>) -> bool {
        self.settings.guard.as_ref().is_some_and(|guard| guard.covers(request))
    }

    /// Tokens for a connector's own failures, one a cause.
    pub fn failure_tokens(&mut self, now: Moment) -> Vec<FailureToken> {
        let at = seconds(now);
        let expires = at.saturating_add(FAILURE_TOKEN_SECONDS);
        let mut tokens = Vec::new();
        for &cause in FailureCause::ALL {
            self.token.clear();
            self.seal(Route::Blocked, &PayloadRef::unavailable(cause, at, expires));
            if let Ok(token) = String::from_utf8(self.token.clone()) {
                tokens.push(FailureToken { cause, token });
            }
        }
        self.token.clear();
        tokens
    }

    fn seal(&mut self, route: Route, payload: &PayloadRef<'_>) {
        match self.sealer.wear() {
            Wear::Good => {}
            Wear::Worn => self.renew(),
        }
        let nonce = count_on(&mut self.nonce);
        if let Err(fault) = self.sealer.seal(route, payload, nonce, &mut self.token) {
            self.token.clear();
            // At debug, since it speaks of one request; without random numbers the rest fails loudly.
            tracing::debug!(%fault, "a client is blocked without a token");
        }
    }

    /// A new salt and a new start for nonces. Without random numbers the old salt goes on, far below
    /// where it must not be used, and the next token tries again.
    fn renew(&mut self) {
        if let Ok(Drawn { salt, nonce }) = Drawn::draw() {
            self.sealer.renew(salt);
            self.nonce = nonce;
        }
    }
}

/// The nonce, and the next one in its place.
pub(crate) fn count_on(next: &mut [u8; 12]) -> [u8; 12] {
    let nonce = *next;
    if let Some((_, counter)) = next.split_last_chunk_mut::<8>() {
        *counter = u64::from_be_bytes(*counter).wrapping_add(1).to_be_bytes();
    }
    nonce
}

pub(crate) const fn seconds(at: Moment) -> i64 {
    at.unix_micros().div_euclid(1_000_000)
}
