//! The slow twin of lists: every entry of every list of a rule, one after another.

use super::scan::names_hosts;
use super::{Answer, Eyes, NaivePolicy, answer, hosts, in_views, pattern_fits};
use crate::check::{CheckedRule, Conditions, ListIndex, Scope};
use crate::client::Request;
use crate::decide::Lack;
use crate::uri::{Host, PathKnown};

impl NaivePolicy {
    /// What `match-domain` and `match-domain-list` say of a request.
    pub(super) fn domains_fit(
        &self,
        rule: &CheckedRule,
        asked: &Conditions,
        eyes: Eyes,
        request: &Request<'_>,
    ) -> Answer {
        let at_host = |host: Host<'_>, text: &str| {
            let named = asked.domains.iter().any(|pattern| pattern_fits(pattern, host, text))
                || asked.domain_lists.iter().any(|list| self.listed(list.0, host, text));
            if named {
                Answer::Fits
            } else {
                self.urls_fit(eyes, &asked.domain_lists, text, request)
            }
        };
        let answers: Vec<_> =
            hosts(request).iter().map(|(host, text, _)| at_host(*host, text)).collect();
        let unknown = answers.contains(&Answer::NotKnown(Lack::Path));
        let (settles, rest) = match eyes {
            Eyes::AnyReading => (Answer::Fits, Answer::FitsNot),
            Eyes::EveryReading => (Answer::FitsNot, Answer::Fits),
        };
        let by_host = if answers.contains(&settles) {
            settles
        } else if unknown {
            Answer::NotKnown(Lack::Path)
        } else {
            rest
        };
        if asked.list_expressions.is_empty() {
            return by_host;
        }
        let patterns: Vec<_> =
            asked.list_expressions.iter().map(|own| own.pattern.clone()).collect();
        let own = &rule.conditions;
        // What a rule asks beside its lists says which hosts it means. What it excepts beside them does not.
        let besides =
            !(asked.uri.is_empty() && asked.destinations.is_empty() && asked.sni.is_empty());
        let named = if std::ptr::eq(own, asked) { besides } else { names_hosts(own) };
        let lack = if named { Lack::Path } else { Lack::Inside };
        match (by_host, self.patterns.uri(eyes, &patterns, lack, request)) {
            (Answer::Fits, _) | (_, Answer::Fits) => Answer::Fits,
            (Answer::NotKnown(one), Answer::NotKnown(other)) => Answer::NotKnown(one.min(other)),
            (Answer::NotKnown(lack), Answer::FitsNot)
            | (Answer::FitsNot, Answer::NotKnown(lack)) => Answer::NotKnown(lack),
            (Answer::FitsNot, Answer::FitsNot) => Answer::FitsNot,
        }
    }

    /// What the URLs of these lists say of a request at a host.
    fn urls_fit(
        &self,
        eyes: Eyes,
        lists: &[ListIndex],
        host: &str,
        request: &Request<'_>,
    ) -> Answer {
        let lists = lists.iter().filter_map(|list| self.compiled.lists.get(list.0 as usize));
        let urls = lists.filter_map(|list| self.sets.urls.get(&list.set)).flatten();
        let own: Vec<&str> =
            urls.filter(|(name, _)| name == host).map(|(_, rest)| rest.as_str()).collect();
        match request.uri.path_known() {
            PathKnown::Known => answer(in_views(
                eyes,
                request
                    .uri
                    .views()
                    .map(|view| own.iter().any(|rest| view.rest().starts_with(rest.as_bytes()))),
            )),
            PathKnown::Unknown if own.contains(&"/") => Answer::Fits,
            PathKnown::Unknown if own.is_empty() => Answer::FitsNot,
            PathKnown::Unknown => Answer::NotKnown(Lack::Path),
        }
    }

    /// Whether a list holds the host or one of its parents.
    fn listed(&self, list: u32, host: Host<'_>, text: &str) -> bool {
        let Some(list) = self.compiled.lists.get(list as usize) else { return false };
        let Some(names) = self.sets.names.get(&list.set) else { return false };
        let holds = |name: &str, scope| names.contains(&(name.to_owned(), scope));
        let itself = holds(text, Scope::Tree) || holds(text, Scope::Host);
        match host {
            Host::Address(_) => itself,
            Host::Name(name) => {
                itself || name.parents().skip(1).any(|parent| holds(parent, Scope::Tree))
            }
        }
    }

    /// The first list of the rule that names the host or the URL there, or else at the SNI, or else at the
    /// host of the CONNECT, and else the first whose expression fits.
    pub(super) fn reported_list(&self, rule: &CheckedRule, request: &Request<'_>) -> Option<&str> {
        let path = |list: ListIndex| Some(&*self.compiled.lists.get(list.0 as usize)?.path);
        // In any reading, whatever the rule does.
        let any = Eyes::AnyReading;
        for (host, text, _) in hosts(request) {
            for list in &rule.conditions.domain_lists {
                let urls = self.urls_fit(any, &[*list], &text, request);
                if self.listed(list.0, host, &text) || urls == Answer::Fits {
                    return path(*list);
                }
            }
        }
        let expression = rule.conditions.list_expressions.iter().find(|own| {
            let pattern = [own.pattern.clone()];
            self.patterns.uri(any, &pattern, Lack::Inside, request) == Answer::Fits
        });
        expression.and_then(|own| path(own.list))
    }
}
