//! The slow twin of the regular expressions: each pattern compiled from its own text and asked alone.

use std::collections::HashMap;

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::{Answer, Eyes, answer, hosts, in_views, known_agent, known_sni};
use crate::check::{CheckedRule, Conditions};
use crate::client::{Known, Phase, Request};
use crate::decide::Lack;
use crate::regex::{Field, RegexPattern};
use crate::uri::PathKnown;

/// Every pattern of a policy.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<RegexPattern, Regex>);

impl Patterns {
    pub(super) fn new(rules: &[CheckedRule]) -> Self {
        let asked = rules.iter().flat_map(CheckedRule::asked);
        let asked =
            asked.flat_map(|asked| Field::ALL.into_iter().flat_map(|field| field.all_of(asked)));
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(true);
        let config = Config::new().utf8_empty(false);
        let compile = |pattern: &RegexPattern| {
            let mut builder = Regex::builder();
            let regex = builder.configure(config.clone()).syntax(syntax).build(pattern.as_str());
            regex.ok().map(|regex| (pattern.clone(), regex))
        };
        Self(asked.filter_map(compile).collect())
    }

    /// Adds what a rule's patterns say of a request.
    pub(super) fn answer(
        &self,
        rule: &CheckedRule,
        of: &Conditions,
        eyes: Eyes,
        request: &Request<'_>,
        answers: &mut Vec<Answer>,
    ) {
        for field in Field::ALL {
            let asked = field.of(of);
            if !asked.is_empty() {
                let named = names_hosts(&rule.conditions);
                answers.push(self.field(lack(named, field), asked, field, eyes, request));
            }
        }
    }

    fn field(
        &self,
        lack: Lack,
        asked: &[RegexPattern],
        field: Field,
        eyes: Eyes,
        request: &Request<'_>,
    ) -> Answer {
        let any = |text: &[u8]| asked.iter().any(|pattern| self.fits(pattern, text));
        let one = |text: Known<&[u8]>| match text {
            Known::Unknown => Answer::NotKnown(lack),
            Known::Absent => Answer::FitsNot,
            Known::Is(text) => answer(any(text)),
        };
        match (field, request.phase) {
            (Field::Uri, _) => self.uri(eyes, asked, lack, request),
            (Field::Sni, _) => one(match known_sni(request) {
                Known::Unknown => Known::Unknown,
                Known::Absent => Known::Absent,
                Known::Is(name) => Known::Is(name.as_str().as_bytes()),
            }),
            (Field::UserAgent, _) => one(known_agent(request)),
            (Field::Referer, Phase::Connect | Phase::Hello) => Answer::NotKnown(lack),
            (Field::Referer, Phase::Request) => one(request.client.referer),
        }
    }

    /// What patterns say of the URI.
    pub(super) fn uri(
        &self,
        eyes: Eyes,
        asked: &[RegexPattern],
        lack: Lack,
        request: &Request<'_>,
    ) -> Answer {
        let any = |text: &[u8]| asked.iter().any(|pattern| self.fits(pattern, text));
        if eyes == Eyes::EveryReading && elsewhere(request).next().is_some() {
            return Answer::FitsNot;
        }
        match request.uri.path_known() {
            PathKnown::Known => {
                let there = |origin: String| {
                    let mut views = request.uri.views();
                    views.any(|view| any(&[origin.as_bytes(), view.rest()].concat()))
                };
                let mut views = request.uri.views().map(|view| any(view.text()));
                let here = in_views(eyes, &mut views);
                answer(here || elsewhere(request).any(there))
            }
            PathKnown::Unknown => {
                let texts = || {
                    let there = elsewhere(request).map(|origin| origin + "/").map(Vec::from);
                    there.chain([request.uri.text().to_vec()])
                };
                let lasts = |pattern| texts().any(|text| self.lasts(pattern, &text));
                match asked.iter().any(lasts) {
                    true => Answer::Fits,
                    false => Answer::NotKnown(lack),
                }
            }
        }
    }

    fn fits(&self, pattern: &RegexPattern, text: &[u8]) -> bool {
        self.0.get(pattern).is_some_and(|regex| regex.is_match(text))
    }

    /// Whether a pattern fits in what is known, in sight of a byte behind it and not of an end.
    fn lasts(&self, pattern: &RegexPattern, known: &[u8]) -> bool {
        if pattern.as_str().contains("\\B") {
            return false;
        }
        let text = [known, b"/"].concat();
        let input = Input::new(&text).range(..known.len());
        self.0.get(pattern).is_some_and(|regex| regex.is_match(input))
    }
}

/// The other origins that a request may end up at, as text.
fn elsewhere(request: &Request<'_>) -> impl Iterator<Item = String> {
    let scheme = request.uri.scheme();
    let own = (request.uri.host(), request.uri.port());
    let others = hosts(request).into_iter().filter(move |(host, _, port)| (*host, *port) != own);
    others.map(move |(_, text, port)| match port == scheme.default_port() {
        true => format!("{}://{text}", scheme.word()),
        false => format!("{}://{text}:{port}", scheme.word()),
    })
}

pub(super) const fn names_hosts(asked: &Conditions) -> bool {
    !(asked.domains.is_empty()
        && asked.domain_lists.is_empty()
        && asked.uri.is_empty()
        && asked.destinations.is_empty()
        && asked.sni.is_empty())
}

/// What is missing where a pattern of this field is unknown.
const fn lack(named: bool, field: Field) -> Lack {
    match field {
        Field::Uri if named => Lack::Path,
        Field::Uri | Field::UserAgent | Field::Referer => Lack::Inside,
        Field::Sni => Lack::Name,
    }
}
