//! The whole life of a query, one function: read this first.

use std::time::Instant;

use eg_policy::anomaly::fronting;
use eg_policy::check::Anomaly;
use eg_policy::client::{Phase, Request, Tunnel};
use eg_policy::decide::{Scratch, decide};
use eg_policy::tunnel::{TlsAnswer, tls_for};
use eg_policy::uri::{CanonicalUri, Malformed, UriBuffer};
use eg_policy::verdict::{Tls, Verdict};
use eg_proto::{Answer, Query, Role, Standing, Tag};

use crate::audit::{Facts, Recorded, Recorder, SessionRef};
use crate::convert::{
    facts_of, facts_of_unreadable, form_of, no_hello, not_decrypted, refused_tunnel, request_of,
    sni_of, standing_of, tag_in, tag_of, unreadable, waits_for, way_of, whole_way_of,
};
use crate::handshake::AuthenticPeer;
use crate::portal_link::{PortalLink, Wanted, seconds};
use crate::shadow::ShadowPost;
use crate::tags::{TagReader, TagWriter};
use crate::view::View;

/// What a worker answers with; its memory is used again for every query.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) scratch: Scratch,
    pub(crate) uri: UriBuffer,
    pub(crate) sni: String,
    pub(crate) recorder: Recorder,
    pub(crate) portal: PortalLink,
    pub(crate) tags: TagWriter,
    pub(crate) told: TagReader,
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
    let Desk { scratch, uri, sni, recorder, portal, tags, told, shadow } = desk;
    let read = CanonicalUri::parse(uri, form_of(query), query.uri);
    let (earlier, standing) = told.read(tag_in(query), query.client, view.now);
    let asked = match (&read, sni_of(sni, query)) {
        (Ok(uri), Ok(sni)) => {
            let request = request_of(query, peer.inspect(), uri, sni, earlier);
            request.contradiction().map_or(Ok(request), Err)
        }
        (Err(fault), _) => Err(*fault),
        (Ok(_), Err(fault)) => Err(fault),
    };
    let canonical = read.as_ref().ok().map(CanonicalUri::text);
    if let Ok(request) = &asked {
        shadow.pass(view.rules, request);
    }
    let facts = Facts {
        anomaly: asked.as_ref().ok().and_then(fronting).map(Anomaly::word),
        ..facts_of(query, canonical.unwrap_or(query.uri), received)
    };
    let clerk = Clerk { recorder, view, peer };
    match query.role {
        Role::Rewrite => {
            let decided = match &asked {
                Ok(request) if portal.guards(request) => Verdict::portal(),
                Ok(request) => decide_first(view, scratch, request, whole_way_of(peer.inspect())),
                Err(fault) => Verdict::invalid_request(*fault),
            };
            let decided = inside(standing, decided);
            let recorded = clerk.record(decided, &facts);
            let wanted = Wanted {
                url: query.uri,
                canonical: canonical.unwrap_or_default(),
                client: facts.client,
                user: query.user,
            };
            let (action, token) = portal.action_for(&recorded, &wanted);
            let tag = match recorded.verdict().action.blocks() {
                true => b"",
                false => tags.write(tag_out(&asked, &recorded)),
            };
            let (decision, tls) = (recorded.decision(), waits_for(recorded.verdict()));
            (Answer { id: query.id, action, decision, token, tag, tls }, recorded)
        }
        Role::Acl => {
            let (tls, recorded) = clerk.tls(scratch, portal, &asked, &facts);
            let tag = match tls {
                Tls::Splice | Tls::Bump => tags.write(tag_out(&asked, &recorded)),
                Tls::Terminate => b"",
            };
            let ((action, tls), decision) = (way_of(tls), recorded.decision());
            (Answer { id: query.id, action, decision, token: b"", tag, tls: Some(tls) }, recorded)
        }
    }
}

/// The verdict on a request. `whole` is what was to become of its tunnel: Squid 5.7 passes a tunnel
/// through where the helper of the second question dies or errs, so this first question is the last
/// chance to hold one back that was not to be passed through (ADR 0017).
fn decide_first<'r>(
    view: &View<'r>,
    scratch: &mut Scratch,
    request: &Request<'_>,
    whole: Tunnel,
) -> Verdict<'r> {
    let decided = decide(view.rules, scratch, request, view.now);
    match (request.phase, whole, decided.action.blocks()) {
        (Phase::Hello, Tunnel::Peeked | Tunnel::Decrypted, false) => {
            let asked = Request { tunnel: whole, ..*request };
            match tls_for(view.rules, scratch, &asked, view.now).tls {
                Tls::Splice => decided,
                Tls::Bump | Tls::Terminate => {
                    Verdict::invalid_request(not_decrypted()).noting(decided.monitored)
                }
            }
        }
        (Phase::Connect | Phase::Hello | Phase::Request, _, _) => decided,
    }
}

/// The verdict on what comes through a connection of this standing: what denied it may look at what is
/// lost by now, such as that it was a CONNECT, or which user agent it had.
const fn inside(standing: Standing, decided: Verdict<'_>) -> Verdict<'_> {
    match (standing, decided.action.blocks()) {
        (Standing::Refused, false) => {
            Verdict::invalid_request(refused_tunnel()).noting(decided.monitored)
        }
        (Standing::Refused, true) | (Standing::Passed, _) => decided,
    }
}

/// What is to be told again on this client connection.
fn tag_out<'a>(asked: &Result<Request<'a>, Malformed>, recorded: &Recorded<'_>) -> Option<Tag<'a>> {
    let standing = standing_of(recorded.verdict().action);
    tag_of(asked.as_ref().ok()?, recorded.decision(), standing, seconds(recorded.at()))
}

/// Who writes down what becomes of a query, and where.
struct Clerk<'c, 'r> {
    recorder: &'c mut Recorder,
    view: &'c View<'r>,
    peer: &'c AuthenticPeer,
}

impl<'r> Clerk<'_, 'r> {
    /// Records a verdict, which may turn it to deny.
    fn record(self, decided: Verdict<'r>, facts: &Facts<'_>) -> Recorded<'r> {
        let Self { recorder, view, peer } = self;
        let recorded = recorder.record(decided, view.digest, facts, &session_of(peer), view.now);
        log_request(&recorded, recorder, facts, peer);
        recorded
    }

    /// Answers the second question. Only the end of a connection has an entry: of the rest the trail
    /// learns by the first question about what goes on, a request inside or the tunnel itself.
    fn tls(
        self,
        scratch: &mut Scratch,
        portal: &PortalLink,
        asked: &Result<Request<'_>, Malformed>,
        facts: &Facts<'_>,
    ) -> (Tls, Recorded<'r>) {
        let answer = match asked {
            Ok(request) if request.phase == Phase::Hello && portal.guards(request) => {
                TlsAnswer::portal(request)
            }
            Ok(request) if request.phase == Phase::Hello => {
                tls_for(self.view.rules, scratch, request, self.view.now)
            }
            // Nothing of the connection is known yet, and no second chance to end it comes.
            Ok(_) => TlsAnswer::terminate(Verdict::invalid_request(no_hello())),
            Err(fault) => TlsAnswer::terminate(Verdict::invalid_request(*fault)),
        };
        let facts = &Facts { tls: Some(answer.tls.word()), ..*facts };
        let recorded = match answer.tls {
            Tls::Terminate => self.record(answer.verdict, facts),
            Tls::Splice | Tls::Bump => {
                let recorded = self.recorder.pass(answer.verdict, self.view.now);
                log_request(&recorded, self.recorder, facts, self.peer);
                recorded
            }
        };
        (answer.tls, recorded)
    }
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
        tls = facts.tls,
        anomaly = facts.anomaly,
        rule = verdict.rule_name(),
        "answered"
    );
}

fn session_of(peer: &AuthenticPeer) -> SessionRef<'_> {
    SessionRef { connector: peer.connector().as_str(), number: peer.session(), run: peer.run() }
}
