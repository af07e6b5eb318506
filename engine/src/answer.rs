//! The whole life of a query, one function: read this first.

use std::time::Instant;

use eg_policy::decide::{Scratch, decide};
use eg_policy::uri::{CanonicalUri, UriBuffer};
use eg_policy::verdict::{Action, Cause, Verdict};
use eg_proto::{Answer, Query, Role};

use crate::audit::{Facts, Recorded, Recorder, SessionRef};
use crate::convert::{facts_of, facts_of_unreadable, form_of, request_of, sni_of, unreadable};
use crate::handshake::AuthenticPeer;
use crate::portal_link::{PortalLink, Wanted};
use crate::shadow::ShadowPost;
use crate::view::View;

/// What a worker answers with; its memory is used again for every query.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) scratch: Scratch,
    pub(crate) uri: UriBuffer,
    pub(crate) sni: String,
    pub(crate) recorder: Recorder,
    pub(crate) portal: PortalLink,
    pub(crate) shadow: ShadowPost,
}

/// Answers one query. Total: whatever goes wrong on the way is itself a verdict.
pub(crate) fn answer<'d, 'r>(
    view: &View<'r>,
    desk: &'d mut Desk,
    peer: &AuthenticPeer,
    query: &Query<'_>,
    received: Instant,
) -> (Answer<'d>, Recorded<'r>) {
    let Desk { scratch, uri, sni, recorder, portal, shadow } = desk;
    let read = CanonicalUri::parse(uri, form_of(query), query.uri);
    let canonical = read.as_ref().ok().map(CanonicalUri::text);
    let decided = match (&read, sni_of(sni, query), query.role) {
        (Ok(uri), Ok(sni), Role::Rewrite) => {
            let request = request_of(query, peer.inspect(), uri, sni);
            shadow.pass(view.rules, &request);
            decide(view.rules, scratch, &request, view.now)
        }
        (Err(fault), _, _) => Verdict::invalid_request(*fault),
        (Ok(_), Err(fault), _) => Verdict::invalid_request(fault),
        (Ok(_), Ok(_), Role::Acl) => not_answered_yet(),
    };
    let facts = facts_of(query, canonical.unwrap_or(query.uri), received);
    let recorded = recorder.record(decided, view.digest, &facts, &session_of(peer), view.now);
    log_request(&recorded, recorder, &facts, peer);
    let wanted = Wanted {
        url: query.uri,
        canonical: canonical.unwrap_or_default(),
        client: facts.client,
        user: query.user,
    };
    let (action, token) = portal.action_for(&recorded, &wanted);
    (
        Answer { id: query.id, action, decision: recorded.decision(), token, tag: b"", tls: None },
        recorded,
    )
}

/// Answers a query whose number could be read and little else: deny, like any request without a
/// canonical form.
pub(crate) fn answer_unreadable<'d, 'r>(
    view: &View<'r>,
    desk: &'d mut Desk,
    peer: &AuthenticPeer,
    id: u64,
    received: Instant,
) -> (Answer<'d>, Recorded<'r>) {
    let decided = Verdict::invalid_request(unreadable());
    let facts = facts_of_unreadable(id, received);
    let recorded = desk.recorder.record(decided, view.digest, &facts, &session_of(peer), view.now);
    log_request(&recorded, &desk.recorder, &facts, peer);
    let (action, token) = desk.portal.action_for(&recorded, &Wanted::default());
    (Answer { id, action, decision: recorded.decision(), token, tag: b"", tls: None }, recorded)
}

/// This version says nothing about splice, bump and terminate; deny is the word that makes the
/// connector terminate.
const fn not_answered_yet<'r>() -> Verdict<'r> {
    Verdict { action: Action::Deny, cause: Cause::Default }
}

/// Speaks of one request, which only `debug` does; its query string stays out (SPEC 2).
// PERF: where debug is off this is one look at a number; no field is made.
fn log_request(
    recorded: &Recorded<'_>,
    recorder: &Recorder,
    facts: &Facts<'_>,
    peer: &AuthenticPeer,
) {
    let verdict = recorded.verdict();
    tracing::debug!(
        decision = %recorded.decision(),
        connector = peer.connector().as_str(),
        client = facts.client.map(tracing::field::display),
        phase = facts.phase,
        url = %recorder.shown(facts.url),
        action = verdict.action.word(),
        rule = verdict.rule_name(),
        "answered"
    );
}

fn session_of(peer: &AuthenticPeer) -> SessionRef<'_> {
    SessionRef { connector: peer.connector().as_str(), number: peer.session(), run: peer.run() }
}
