//! A policy of one rule, and a plain request to it, for targets that need no more.

use eg_policy::check::{CheckedRule, Conditions};
use eg_policy::client::{Client, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, CompiledPolicy};
use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
use eg_policy::verdict::{Action, RuleId};

/// The policy that denies what meets the conditions.
pub(crate) fn policy(conditions: Conditions, lists: Vec<CompiledList>) -> CompiledPolicy {
    let rule = CheckedRule {
        id: RuleId(1),
        name: "rule".to_owned(),
        file: String::new(),
        line: 0,
        action: Action::Deny,
        description: None,
        category: None,
        tls: None,
        conditions,
        except: None,
        validity: Default::default(),
        mode: Default::default(),
    };
    CompiledPolicy { rules: vec![rule], lists, default_action: Action::Permit }
}

/// Asks for a URL; nothing where it is malformed.
pub(crate) fn ask(url: &[u8], judge: impl FnOnce(&Request<'_>)) {
    let mut buffer = UriBuffer::default();
    let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, url) else { return };
    judge(&Request {
        phase: Phase::Request,
        tunnel: Tunnel::Opaque,
        method: b"GET",
        uri: &uri,
        client: Client {
            address: [192, 0, 2, 7].into(),
            user: None,
            sni: Known::Absent,
            user_agent: Known::Absent,
            referer: Known::Absent,
        },
        earlier: None,
    });
}
