//! Templates to HTML; escaping happens here and nowhere else.

use askama::Template;
use eg_proto::{Payload, Route};

/// One fact about a decision, as the page lists it.
#[derive(Debug)]
struct Fact<'a> {
    name: &'static str,
    value: &'a str,
}

/// A stopped request: what happened, why, and what the visitor can do.
#[derive(Debug, Template)]
#[template(path = "stopped.html")]
struct Stopped<'a> {
    title: &'static str,
    lead: &'static str,
    next: &'static str,
    reason: &'a str,
    facts: Vec<Fact<'a>>,
}

/// A page without a decision.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    lead: &'a str,
}

/// The page of a verdict.
///
/// # Errors
///
/// [`askama::Error`] where the template cannot be written, which the caller answers with a 500.
pub fn stopped(route: Route, payload: &Payload) -> Result<String, askama::Error> {
    let (title, lead, next) = match route {
        Route::Blocked => (
            "This page is blocked",
            "Your network does not allow this address.",
            "If you think that this is a mistake, give your administrator the decision number above.",
        ),
        Route::Warned => (
            "Take care with this page",
            "Your network advises against this address.",
            "Your administrator can open it for you; give the decision number above.",
        ),
        Route::Aup => (
            "The usage policy applies to this page",
            "Your network asks for its usage policy to be accepted before this address is opened.",
            "Your administrator can open it for you; give the decision number above.",
        ),
    };
    let client = payload.client.map(|address| address.to_string());
    let rule_id = payload.rule_id.map(|id| id.to_string());
    let facts = [
        ("Address", Some(payload.url.as_str())),
        ("Rule", Some(payload.rule.as_str())),
        ("Rule number", rule_id.as_deref()),
        ("Category", payload.category.as_deref()),
        ("Your address", client.as_deref()),
        ("User", payload.user.as_deref()),
        ("Decision", Some(payload.decision.as_str())),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| Fact { name, value }))
        .collect();
    Stopped { title, lead, next, reason: &payload.reason, facts }.render()
}

/// The page for a filter that could not be asked.
///
/// # Errors
///
/// As [`stopped`].
pub fn filter_unavailable() -> Result<String, askama::Error> {
    Notice {
        title: "The filter is unavailable",
        lead: "Your network could not check this address, so it was not opened. Try again in a \
               moment; if it stays like this, tell your administrator.",
    }
    .render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let payload = Payload {
            url: "http://x.example/<script>alert(1)</script>".to_owned(),
            rule: "\"><img src=x>".to_owned(),
            reason: "<b>bold</b>".to_owned(),
            ..crate::app::tests::payload()
        };
        let html = stopped(Route::Blocked, &payload).unwrap();
        for raw in ["<script", "<img", "<b>"] {
            assert!(!html.contains(raw), "{raw} in {html}");
        }
    }
}
