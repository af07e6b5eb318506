//! An action to the line that Squid understands; the only place that quotes for Squid.
//!
//! INVARIANT: a note answer has one of two shapes, `OK eg_verdict_=permit ...` and
//! `OK eg_verdict_=<deny|warn|aup> eg_token_=<base64url or -> ...`. A token, tag or address that
//! holds any other byte is refused before a byte of the answer is written.

use eg_proto::limits::TOKEN_BYTES_MAX;
use eg_proto::{Action, Answer, Route, Terms, is_base64url};

use crate::config;
use crate::helper::{BadAnswer, Channel, begin, push_number};

/// Where the portal is, from the engine's welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    status: u16,
    blocked: String,
    warned: String,
    aup: String,
}

impl Portal {
    /// Takes the addresses of a welcome; `None` when one cannot stand in an answer.
    #[must_use]
    pub fn of(terms: &Terms) -> Option<Self> {
        let base = terms.base_url.trim_end_matches('/');
        let page = |route: Route| {
            let url = format!("{base}{}?v=1&p=", terms.routes.path(route));
            is_redirect_target(&url).then_some(url)
        };
        let status @ (302 | 303 | 307) = terms.redirect_status else { return None };
        let (blocked, warned) = (page(Route::Blocked)?, page(Route::Warned)?);
        Some(Self { status, blocked, warned, aup: page(Route::Aup)? })
    }

    /// The address of a page, up to where the token goes.
    #[must_use]
    pub fn page(&self, route: Route) -> &str {
        match route {
            Route::Blocked => &self.blocked,
            Route::Warned => &self.warned,
            Route::Aup => &self.aup,
        }
    }

    /// 302, 303 or 307.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }
}

/// Writes answers in the configured way.
#[derive(Debug)]
pub struct Replies {
    answer: config::Answer,
    portal: Option<Portal>,
}

impl Replies {
    /// Answers as configured; no engine has said yet where the portal is.
    #[must_use]
    pub const fn new(answer: config::Answer) -> Self {
        Self { answer, portal: None }
    }

    /// Learns where the portal is.
    pub fn learn(&mut self, portal: Portal) {
        self.portal = Some(portal);
    }

    /// Appends the engine's answer.
    ///
    /// # Errors
    /// When it holds something that Squid must not see; nothing is appended.
    pub fn answer(
        &self,
        out: &mut Vec<u8>,
        channel: Channel,
        answer: &Answer<'_>,
    ) -> Result<(), BadAnswer> {
        if !is_base64url(answer.tag) {
            return Err(BadAnswer::Tag);
        }
        let route = answer.action.route();
        if route.is_some() && !is_token(answer.token) {
            return Err(BadAnswer::Token);
        }
        match &self.answer {
            config::Answer::Note => note(out, channel, answer),
            config::Answer::Redirect { .. } => match route {
                None => pass(out, channel),
                Some(route) => {
                    let portal = self.portal.as_ref().ok_or(BadAnswer::NoPortal)?;
                    redirect(out, channel, portal.status, portal.page(route), answer.token);
                }
            },
        }
        Ok(())
    }

    /// Appends a refusal that no engine made. It carries no code and no decision id: that is how
    /// Squid's access log shows that nobody decided.
    pub fn refuse(&self, out: &mut Vec<u8>, channel: Channel, token: Option<&str>) {
        let token = token.filter(|token| is_token(token.as_bytes()));
        match &self.answer {
            config::Answer::Note => {
                begin(out, channel);
                out.extend_from_slice(b"OK eg_verdict_=deny eg_token_=");
                out.extend_from_slice(token.unwrap_or("-").as_bytes());
                out.push(b'\n');
            }
            config::Answer::Redirect { fail_url } => match (&self.portal, token, fail_url) {
                (Some(portal), Some(token), _) => {
                    let page = portal.page(Route::Blocked);
                    redirect(out, channel, portal.status, page, token.as_bytes());
                }
                (_, _, Some(url)) => redirect(out, channel, 302, url, b""),
                (Some(portal), None, None) => {
                    let page = portal.page(Route::Blocked);
                    redirect(out, channel, portal.status, page, b"-");
                }
                // Without any address a redirect cannot be said. This one leads nowhere, which
                // keeps the gate shut; the configuration allows it only beside `permit`.
                (None, _, None) => redirect(out, channel, 302, "http://0.0.0.0/", b""),
            },
        }
    }

    /// Appends a permit that no engine gave: `fail_action = "permit"`.
    pub fn let_pass(&self, out: &mut Vec<u8>, channel: Channel) {
        match &self.answer {
            config::Answer::Note => {
                begin(out, channel);
                out.extend_from_slice(b"OK eg_verdict_=permit\n");
            }
            config::Answer::Redirect { .. } => pass(out, channel),
        }
    }
}

/// Whether a text may stand between the quotes of `url="..."` and in a `Location`.
#[must_use]
pub fn is_redirect_target(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

fn is_token(token: &[u8]) -> bool {
    !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && is_base64url(token)
}

fn note(out: &mut Vec<u8>, channel: Channel, answer: &Answer<'_>) {
    begin(out, channel);
    out.extend_from_slice(b"OK eg_verdict_=");
    out.extend_from_slice(answer.action.word().as_bytes());
    match answer.action {
        Action::Permit => {}
        Action::Deny | Action::Warn | Action::Aup => {
            out.extend_from_slice(b" eg_token_=");
            out.extend_from_slice(answer.token);
        }
    }
    out.extend_from_slice(b" eg_code_=");
    push_number(out, u64::from(answer.action.code()));
    out.extend_from_slice(b" eg_id_=");
    out.extend_from_slice(answer.decision.text().as_str().as_bytes());
    if !answer.tag.is_empty() {
        out.extend_from_slice(b" clt_conn_tag=");
        out.extend_from_slice(answer.tag);
    }
    out.push(b'\n');
}

/// `ERR`: the request goes on unchanged. Only where the gate cannot be.
fn pass(out: &mut Vec<u8>, channel: Channel) {
    begin(out, channel);
    out.extend_from_slice(b"ERR\n");
}

/// Quoted, because Squid percent-decodes a bare value.
fn redirect(out: &mut Vec<u8>, channel: Channel, status: u16, page: &str, token: &[u8]) {
    begin(out, channel);
    out.extend_from_slice(b"OK status=");
    push_number(out, u64::from(status));
    out.extend_from_slice(b" url=\"");
    out.extend_from_slice(page.as_bytes());
    out.extend_from_slice(token);
    out.extend_from_slice(b"\"\n");
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
