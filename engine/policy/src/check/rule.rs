//! One block to one rule.

use super::attributes::{Attribute, Support, is_match, nearest_key};
use super::files::{ListTable, Mentioned};
use super::policy::{
    AddressPattern, Anomaly, CheckedRule, Conditions, ListExpression, ListKind, Mode, SniPattern,
    Validity,
};
use super::terms;
use super::values::{self, AddressValue, Breadth, DomainValue, Names, Refusal, Side};
use crate::diagnostic::{Code, Faults, quote};
use crate::regex::{Field, RegexPattern};
use crate::syntax::ast::{Attribute as Written, Block, Word};
use crate::syntax::span::{Lines, Span};
use crate::syntax::{Shape, is_forbidden};
use crate::verdict::{Action, RuleId};

/// A policy has at most this many rules; ids and candidate sets are sized for it.
pub const RULES_MAX: usize = 1_000_000;

/// A rule has at most this many values; more belong in a list.
pub const VALUES_MAX: usize = 100_000;

/// Checks one block; what is wrong goes to `faults`. The rule's id is given later; a disabled rule is
/// looked at and takes no part.
pub(super) fn check_block(
    block: &Block,
    lines: &Lines<'_>,
    faults: &mut Faults,
    lists: &mut ListTable<'_>,
) -> Option<CheckedRule> {
    let rule = CheckedRule {
        id: RuleId(0),
        name: block.name.text.clone(),
        file: lines.file().to_owned(),
        line: lines.number(block.name.span.start),
        action: Action::Deny,
        description: None,
        category: None,
        tls: None,
        conditions: Conditions::default(),
        except: None,
        validity: Validity::ALWAYS,
        mode: Mode::Enforce,
    };
    let mut reader = Reader {
        lines,
        faults,
        lists,
        rule,
        breadth: Breadth::Narrow,
        enabled: Enabled::Yes,
        domains: Domains::Named,
        part: Part::Match,
        seen: Vec::new(),
        values: 0,
        until: None,
        unfit: Vec::new(),
    };
    reader.name(&block.name);
    reader.switches(block);
    block.attributes().for_each(|attribute| reader.attribute(attribute));
    reader.finish(block)
}

/// Whether the rule takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enabled {
    Yes,
    No,
}

/// Whether the domain attributes name everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Domains {
    Named,
    Everything,
}

/// What an attribute adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What must hold.
    Match,
    /// What must not.
    Except,
}

pub(super) struct Reader<'r, 't, 'l> {
    lines: &'r Lines<'t>,
    faults: &'r mut Faults,
    lists: &'r mut ListTable<'l>,
    pub(super) rule: CheckedRule,
    breadth: Breadth,
    enabled: Enabled,
    domains: Domains,
    part: Part,
    seen: Vec<Attribute>,
    values: usize,
    /// Where `valid-until` stands.
    pub(super) until: Option<Span>,
    /// Prefixes that would let nothing through, by the part that they stand in; the action may stand
    /// behind them.
    unfit: Vec<(Part, Span, String, String)>,
}

impl Reader<'_, '_, '_> {
    pub(super) fn fault(&mut self, code: Code, span: Span, message: String, help: Option<String>) {
        self.faults.report(self.lines, code, span, message, help);
    }

    /// The part of the rule that the attribute adds to.
    pub(super) fn asked(&mut self) -> &mut Conditions {
        match self.part {
            Part::Match => &mut self.rule.conditions,
            Part::Except => self.rule.except.get_or_insert_default(),
        }
    }

    pub(super) fn refuse(&mut self, span: Span, refusal: Refusal) {
        self.fault(refusal.code, span, refusal.message, refusal.help);
    }

    fn name(&mut self, name: &Word) {
        if let Err(refusal) = values::name(&name.text) {
            self.refuse(name.span, refusal);
        }
    }

    /// What changes how other attributes are read comes first, wherever it stands.
    fn switches(&mut self, block: &Block) {
        for attribute in block.attributes() {
            let value = attribute.value.words().next().map(|word| word.text.as_str());
            match (attribute.key.text.as_str(), value) {
                ("allow-broad", Some("true")) => self.breadth = Breadth::Any,
                ("enabled", Some("false")) => self.enabled = Enabled::No,
                (_, Some(_) | None) => {}
            }
        }
    }

    fn attribute(&mut self, written: &Written) {
        let key = &written.key;
        match Support::of(&key.text) {
            Support::Evaluated(attribute) => self.evaluated(attribute, written),
            Support::Excepted(attribute) => {
                self.part = Part::Except;
                self.evaluated(attribute, written);
                self.part = Part::Match;
            }
            Support::Unknown => {
                let message = format!("unknown attribute {}", quote(&key.text));
                let help = nearest_key(&key.text).map(|near| format!("did you mean `{near}`?"));
                self.fault(Code::UnknownAttribute, key.span, message, help);
            }
        }
    }

    fn evaluated(&mut self, attribute: Attribute, written: &Written) {
        match attribute {
            Attribute::MatchUri => self.each(written, Self::match_uri),
            Attribute::MatchDomainList => self.each(written, Self::match_domain_list),
            Attribute::MatchDomain => self.each(written, Self::match_domain),
            Attribute::MatchSni => self.each(written, Self::match_sni),
            Attribute::MatchSource => self.each(written, Self::match_source),
            Attribute::MatchDestination => self.each(written, Self::match_destination),
            Attribute::MatchAnomaly => self.each(written, Self::match_anomaly),
            Attribute::MatchUserAgent => self.each(written, Self::match_user_agent),
            Attribute::MatchRegex(Field::Uri) => self.each(written, Self::match_uri_regex),
            Attribute::MatchRegex(Field::Sni) => self.each(written, Self::match_sni_regex),
            Attribute::MatchRegex(Field::UserAgent) => {
                self.each(written, Self::match_user_agent_regex);
            }
            Attribute::MatchRegex(Field::Referer) => self.each(written, Self::match_referer_regex),
            Attribute::MatchUser => self.each(written, Self::match_user),
            Attribute::MatchMethod => self.each(written, Self::match_method),
            Attribute::MatchPort => self.each(written, Self::match_port),
            Attribute::TimeWindow => self.each(written, Self::time_window),
            Attribute::ValidFrom
            | Attribute::ValidUntil
            | Attribute::Monitor
            | Attribute::Application
            | Attribute::Action
            | Attribute::Tls
            | Attribute::Description
            | Attribute::Category
            | Attribute::AllowBroad
            | Attribute::Enabled => self.single(attribute, written),
        }
    }

    /// Hands each value of an attribute that takes several to `read`.
    fn each(&mut self, written: &Written, read: fn(&mut Self, &str, Span)) {
        let shape = Shape::of(&written.key.text);
        let (mut texts, mut found) = (0_usize, 0_usize);
        for word in written.value.words() {
            texts = texts.saturating_add(1);
            if !self.is_clean(word) {
                found = found.saturating_add(1);
                continue;
            }
            for (text, span) in pieces(word, shape) {
                found = found.saturating_add(1);
                self.values = self.values.saturating_add(1);
                if self.values == VALUES_MAX.saturating_add(1) {
                    let message = format!("the rule has more than {VALUES_MAX} values");
                    self.fault(Code::TooManyValues, span, message, None);
                }
                if self.values <= VALUES_MAX {
                    read(self, text, span);
                }
            }
        }
        // A text that is empty outright has its fault already; `","` has none.
        let is_silent = written.value.words().all(|word| !word.text.is_empty());
        if texts > 0 && found == 0 && is_silent {
            let message = format!("{} has no value", quote(&written.key.text));
            self.fault(Code::EmptyValue, written.key.span, message, None);
        }
    }

    /// Whether a value has no line ends or control characters; the parser sees those that are not
    /// written as escapes.
    fn is_clean(&mut self, word: &Word) -> bool {
        let bad =
            word.text.chars().any(|letter| matches!(letter, '\n' | '\r') || is_forbidden(letter));
        let is_escaped = word.text.len() != word.span.end.saturating_sub(word.span.start);
        if bad && is_escaped {
            let message = "a value has no line ends and no control characters".to_owned();
            self.fault(Code::ControlCharacter, word.span, message, None);
        }
        !bad
    }

    fn match_uri(&mut self, text: &str, span: Span) {
        match values::uri(text, self.breadth) {
            Ok(prefix) => {
                if let Some((part, above)) = prefix.unfit_for_every_view() {
                    let does = match self.part {
                        Part::Match => "permit",
                        Part::Except => "except",
                    };
                    let message = format!(
                        "{} {does}s nothing: no fully decoded request holds {}",
                        quote(text),
                        quote(part),
                    );
                    let help = format!("{does} the folder above, {}", quote(&above));
                    self.unfit.push((self.part, span, message, help));
                }
                self.asked().uri.push(prefix);
            }
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    fn match_domain(&mut self, text: &str, span: Span) {
        match values::domain(text, Names::Hosts, self.breadth) {
            Ok(DomainValue::Pattern(pattern)) => {
                if let Some(address) = values::odd_address(text) {
                    let message = format!("{} is read as the address `{address}`", quote(text));
                    self.fault(Code::OddAddress, span, message, None);
                }
                self.asked().domains.push(pattern);
            }
            Ok(DomainValue::Everything) if self.part == Part::Except => {
                let message = "an exception for every name, so that the rule never holds";
                self.fault(Code::ExceptsEverything, span, message.to_owned(), None);
            }
            Ok(DomainValue::Everything) => self.domains = Domains::Everything,
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    fn match_sni(&mut self, text: &str, span: Span) {
        match values::domain(text, Names::Sni, self.breadth) {
            Ok(DomainValue::Pattern(pattern)) => {
                self.asked().sni.push(SniPattern::Name(pattern));
            }
            Ok(DomainValue::Everything) => self.asked().sni.push(SniPattern::Any),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    fn match_domain_list(&mut self, text: &str, span: Span) {
        let Some(found) = self.list(text, ListKind::Domains, span) else { return };
        let asked = self.asked();
        asked.domain_lists.push(found.list);
        asked.domain_lists.extend(found.urls);
        if let Some((list, patterns)) = found.expressions {
            let expression = |pattern| ListExpression { list, pattern };
            asked.list_expressions.extend(patterns.into_iter().map(expression));
        }
    }

    fn match_source(&mut self, text: &str, span: Span) {
        if let Some(pattern) = self.address(text, Side::Source, span) {
            self.asked().sources.push(pattern);
        }
    }

    fn match_destination(&mut self, text: &str, span: Span) {
        if let Some(pattern) = self.address(text, Side::Destination, span) {
            self.asked().destinations.push(pattern);
        }
    }

    fn address(&mut self, text: &str, side: Side, span: Span) -> Option<AddressPattern> {
        match values::address(text, side) {
            Ok(AddressValue::Range(range)) => Some(AddressPattern::Range(range)),
            Ok(AddressValue::Class(class)) => Some(AddressPattern::Class(class)),
            Ok(AddressValue::Path) => {
                let found = self.list(text, ListKind::Addresses, span);
                found.map(|found| AddressPattern::List(found.list))
            }
            Err(refusal) => {
                self.refuse(span, refusal);
                None
            }
        }
    }

    pub(super) fn list(&mut self, text: &str, kind: ListKind, span: Span) -> Option<Mentioned> {
        let (path, format) = match values::list_path(text, kind, self.lines.file()) {
            Ok(found) => found,
            Err(refusal) => {
                self.refuse(span, refusal);
                return None;
            }
        };
        if self.enabled == Enabled::No {
            return None;
        }
        let lines = self.lines;
        if kind == ListKind::Domains
            && let Some(other) = self.lists.other_format(&path, format, || lines.place(span))
        {
            let message = format!("another rule says another format of the list {}", quote(&path));
            let help = format!(
                "that is in `{}`, line {}; say the same in both, or in neither",
                other.file, other.line
            );
            self.fault(Code::TwoListFormats, span, message, Some(help));
            return None;
        }
        let found = self.lists.mention(&path, (kind, format), || lines.place(span));
        if let Some(reason) = &found.fault {
            let message = format!("the list {} cannot be read: {reason}", quote(&path));
            self.fault(Code::UnreadableList, span, message, None);
        }
        Some(found)
    }

    fn match_user_agent(&mut self, text: &str, span: Span) {
        match values::text(text) {
            Ok(text) => self.asked().user_agents.push(text.to_ascii_lowercase()),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    fn match_anomaly(&mut self, text: &str, span: Span) {
        match values::anomaly(text) {
            Ok(Anomaly::Ech) => {
                let message = "no proxy tells of an encrypted `ClientHello`, so `ech` never holds";
                self.fault(Code::NeverHolds, span, message.to_owned(), None);
                self.asked().anomalies.push(Anomaly::Ech);
            }
            Ok(anomaly) => self.asked().anomalies.push(anomaly),
            Err(refusal) => self.refuse(span, refusal),
        }
    }

    fn match_uri_regex(&mut self, text: &str, span: Span) {
        let pattern = self.regex(Field::Uri, text, span);
        self.asked().uri_regexes.extend(pattern);
    }

    fn match_sni_regex(&mut self, text: &str, span: Span) {
        let pattern = self.regex(Field::Sni, text, span);
        self.asked().sni_regexes.extend(pattern);
    }

    fn match_user_agent_regex(&mut self, text: &str, span: Span) {
        let pattern = self.regex(Field::UserAgent, text, span);
        self.asked().user_agent_regexes.extend(pattern);
    }

    fn match_referer_regex(&mut self, text: &str, span: Span) {
        let pattern = self.regex(Field::Referer, text, span);
        self.asked().referer_regexes.extend(pattern);
    }

    fn regex(&mut self, field: Field, text: &str, span: Span) -> Option<RegexPattern> {
        match values::regex(text, field, self.breadth) {
            Ok(pattern) => Some(pattern),
            Err(refusal) => {
                self.refuse(span, refusal);
                None
            }
        }
    }

    /// An attribute that takes one value.
    fn single(&mut self, attribute: Attribute, written: &Written) {
        let mut words = written.value.words();
        let word = words.next();
        if self.seen.contains(&attribute) || words.next().is_some() {
            let message = format!("{} takes one value", quote(&written.key.text));
            self.fault(Code::RepeatedAttribute, written.key.span, message, None);
            return;
        }
        self.seen.push(attribute);
        let Some(word) = word.filter(|word| !word.text.is_empty()) else {
            return;
        };
        if !self.is_clean(word) {
            return;
        }
        if attribute == Attribute::ValidUntil {
            self.until = Some(word.span);
        }
        if let Err(refusal) = self.set(attribute, &word.text) {
            self.refuse(word.span, refusal);
        }
    }

    fn set(&mut self, attribute: Attribute, text: &str) -> Result<(), Refusal> {
        match attribute {
            Attribute::Application => self.rule.conditions.application = values::application(text)?,
            Attribute::Action => self.rule.action = values::action(text)?,
            Attribute::Tls => self.rule.tls = Some(values::tls(text)?),
            Attribute::Description => self.rule.description = Some(values::text(text)?),
            Attribute::Category => self.rule.category = Some(values::category(text)?),
            Attribute::AllowBroad | Attribute::Enabled => drop(values::boolean(text)?),
            Attribute::Monitor => self.rule.mode = terms::mode(text)?,
            Attribute::ValidFrom => self.rule.validity.from = Some(terms::instant(text)?),
            Attribute::ValidUntil => self.rule.validity.until = Some(terms::instant(text)?),
            Attribute::MatchUri
            | Attribute::MatchDomainList
            | Attribute::MatchDomain
            | Attribute::MatchSni
            | Attribute::MatchSource
            | Attribute::MatchDestination
            | Attribute::MatchAnomaly
            | Attribute::MatchUserAgent
            | Attribute::MatchRegex(_)
            | Attribute::MatchUser
            | Attribute::MatchMethod
            | Attribute::MatchPort
            | Attribute::TimeWindow => {}
        }
        Ok(())
    }

    fn finish(mut self, block: &Block) -> Option<CheckedRule> {
        if !block.attributes().any(|attribute| is_match(&attribute.key.text)) {
            let message = format!("the rule {} matches nothing", quote(&block.name.text));
            self.fault(Code::NoMatch, block.name.span, message, None);
        }
        // A rule that permits, and an exception of one that blocks, must fit every view.
        let unfit = match self.rule.action {
            Action::Permit => Part::Match,
            Action::Deny | Action::Warn | Action::Aup => Part::Except,
        };
        for (part, span, message, help) in std::mem::take(&mut self.unfit) {
            if part == unfit {
                self.fault(Code::NeverPermits, span, message, Some(help));
            }
        }
        self.finish_terms(block.name.span);
        if self.domains == Domains::Everything {
            self.rule.conditions.domains.clear();
            self.rule.conditions.domain_lists.clear();
            self.rule.conditions.list_expressions.clear();
        }
        match self.enabled {
            Enabled::Yes => Some(self.rule),
            Enabled::No => None,
        }
    }
}

/// The values in a text, each with its place.
fn pieces(word: &Word, shape: Shape) -> impl Iterator<Item = (&str, Span)> {
    let is_exact = word.text.len() == word.span.end.saturating_sub(word.span.start);
    let mut at = word.span.start;
    let parts = word.text.split(move |letter| letter == ',' && shape == Shape::Commas);
    parts.filter_map(move |part| {
        let lead = part.len().saturating_sub(part.trim_start().len());
        let start = at.saturating_add(lead);
        at = at.saturating_add(part.len()).saturating_add(1);
        let text = part.trim();
        let span = match is_exact {
            true => Span::new(start, start.saturating_add(text.len())),
            false => word.span,
        };
        (!text.is_empty()).then_some((text, span))
    })
}
