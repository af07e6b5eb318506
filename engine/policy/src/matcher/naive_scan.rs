//! The slow twin of the regular expressions: each pattern compiled from its own text and asked alone.

use std::collections::HashMap;

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::{Answer, answer, in_views, known_sni};
use crate::check::CheckedRule;
use crate::client::{Known, Phase, Request};
use crate::regex::{Field, RegexPattern};
use crate::uri::PathKnown;

/// Every pattern of a policy.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<RegexPattern, Regex>);

impl Patterns {
    pub(super) fn new(rules: &[CheckedRule]) -> Self {
        let asked = rules.iter().map(|rule| &rule.conditions);
        let asked =
            asked.flat_map(|asked| Field::ALL.into_iter().flat_map(|field| field.of(asked)));
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
        request: &Request<'_>,
        answers: &mut Vec<Answer>,
    ) {
        for field in Field::ALL {
            let asked = field.of(&rule.conditions);
            if !asked.is_empty() {
                answers.push(self.field(rule, asked, field, request));
            }
        }
    }

    fn field(
        &self,
        rule: &CheckedRule,
        asked: &[RegexPattern],
        field: Field,
        request: &Request<'_>,
    ) -> Answer {
        let any = |text: &[u8]| asked.iter().any(|pattern| self.fits(pattern, text));
        let one = |text: Known<&[u8]>| match text {
            Known::Unknown => Answer::NotKnown,
            Known::Absent => Answer::FitsNot,
            Known::Is(text) => answer(any(text)),
        };
        match (field, request.phase) {
            (Field::Uri, _) => match request.uri.path_known() {
                PathKnown::Known => {
                    let views = request.uri.views().map(|view| any(view.text()));
                    answer(in_views(rule.action, views))
                }
                PathKnown::Unknown => {
                    let lasts = |pattern| self.lasts(pattern, request.uri.text());
                    if asked.iter().any(lasts) { Answer::Fits } else { Answer::NotKnown }
                }
            },
            (Field::Sni, _) => one(match known_sni(request) {
                Known::Unknown => Known::Unknown,
                Known::Absent => Known::Absent,
                Known::Is(name) => Known::Is(name.as_str().as_bytes()),
            }),
            (Field::UserAgent, Phase::Hello) => Answer::NotKnown,
            (Field::UserAgent, Phase::Connect | Phase::Request) => one(request.client.user_agent),
            (Field::Referer, Phase::Connect | Phase::Hello) => Answer::NotKnown,
            (Field::Referer, Phase::Request) => one(request.client.referer),
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
