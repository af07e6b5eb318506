//! The order in which squidGuard decides, as rules of which the first that holds decides (ADR 0027).
//!
//! The first source that a client fits decides, and within it the first branch whose time it is, and
//! within that the first word that the request fits; a branch always has an end. So sources are written
//! one after the other, each with its branches, each with its words and with a last rule for everything
//! else: no request of a source ever reaches the next one, unless the source says `continue`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::draft::{Draft, DraftRule, State, Then, What, Who};
use super::super::input::Input;
use super::super::report::{Fault, Kind, Place, fault};
use super::super::times::Times;
use super::super::write::Names;
use super::conf::{
    Acl, Branch, Conf, Dest, Dialect, During, Pass, Search, SettingKind, Side, Sign, Source, Word,
};
use super::lists;
use super::sources::{self, Collector, Presence};

/// Where lists are when the file does not say.
const DBHOME: &str = "/var/lib/squidguard/db";

/// Rules of a conversion; a policy has at most a million.
const RULES_MAX: usize = 200_000;

/// Exceptions of all rules: a source that continues repeats in each denial what passes before it.
const EXCEPTIONS_MAX: usize = 500_000;

/// The rules of a configuration.
pub(crate) fn translate(
    file: &str,
    conf: &Conf,
    dialect: Dialect,
    input: &dyn Input,
) -> (Draft, Vec<Fault>) {
    let mut draft = Draft::default();
    let mut faults = Vec::new();
    names(file, conf, &mut faults);
    let default = conf.acls.iter().rfind(|acl| acl.source.text == "default");
    let Some(default) = default else {
        let what = "no acl for `default`; the old filter does not start without one";
        fault(&mut faults, &Place::new(file, 0), what);
        return (draft, faults);
    };
    if !faults.is_empty() {
        return (draft, faults);
    }
    let home = conf.dbhome.as_deref().unwrap_or(DBHOME);
    // A relative home is below the folder of the configuration, where its lists were moved with it.
    let home: PathBuf = Path::new(file).parent().unwrap_or_else(|| Path::new("")).join(home);
    let Draft { rules, lists, report } = &mut draft;
    let mut collector = Collector {
        file,
        home,
        input,
        report,
        faults: &mut faults,
        lists,
        dest_words: Names::default(),
        source_words: Names::default(),
    };
    let dests: HashMap<&str, (&Dest, lists::Asked)> = conf
        .dests
        .iter()
        .map(|dest| (dest.name.text.as_str(), (dest, collector.dest(dest, dialect))))
        .collect();
    let times = conf.times.iter().map(|block| (block.name.text.as_str(), &block.times)).collect();
    let asked: Vec<_> = conf.sources.iter().map(|source| collector.asked(source)).collect();
    let mut translator = Translator {
        collector,
        dests,
        times,
        default,
        rules,
        dialect,
        conf,
        written: 0,
        exceptions: 0,
    };
    translator.remarks();
    for (source, asked) in conf.sources.iter().zip(asked) {
        translator.source(source, asked);
    }
    let everybody = Branching {
        label: "everyone",
        who: Who::default(),
        state: State::On,
        search: Search::Ends,
    };
    translator.branch(&everybody, default, &Times::always());
    if translator.is_full() {
        let what = format!(
            "more than {RULES_MAX} rules or {EXCEPTIONS_MAX} exceptions would be needed; split the \
             configuration"
        );
        fault(&mut faults, &Place::new(file, 0), what);
    }
    (draft, faults)
}

/// Where each name is defined; a second time is a fault.
fn once<'b>(
    file: &str,
    words: impl Iterator<Item = &'b Word>,
    what: &str,
    faults: &mut Vec<Fault>,
) -> HashMap<&'b str, u64> {
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for word in words {
        if let Some(line) = seen.insert(&word.text, word.line) {
            let text = format!("{what} `{}` is defined already in line {line}", word.text);
            fault(faults, &Place::new(file, word.line), text);
        }
    }
    seen
}

/// Names that are taken or not defined.
fn names(file: &str, conf: &Conf, faults: &mut Vec<Fault>) {
    let times = once(file, conf.times.iter().map(|block| &block.name), "time", faults);
    let sources = once(file, conf.sources.iter().map(|block| &block.name), "source", faults);
    let dests = once(file, conf.dests.iter().map(|block| &block.name), "destination", faults);
    let rewrites = once(file, conf.rewrites.iter(), "rewrite", faults);
    let mut wanted: Vec<(&Word, &str, &HashMap<&str, u64>)> = Vec::new();
    let during = |during: &Option<During>| during.clone().map(|during| during.time);
    let (mut used, mut passed) = (Vec::new(), Vec::new());
    used.extend(conf.sources.iter().filter_map(|source| during(&source.during)));
    used.extend(conf.dests.iter().filter_map(|dest| during(&dest.during)));
    for acl in &conf.acls {
        if let Branch::During(during) = &acl.branch {
            used.push(during.time.clone());
        }
        if acl.source.text != "default" {
            wanted.push((&acl.source, "source", &sources));
        }
        if let Some(rewrite) = acl.rewrite.as_ref().filter(|word| word.text != "none") {
            wanted.push((rewrite, "rewrite", &rewrites));
        }
        passed.extend(acl.pass.iter().filter(|pass| special(&pass.word.text).is_none()));
    }
    wanted.extend(used.iter().map(|word| (word, "time", &times)));
    wanted.extend(passed.iter().map(|pass| (&pass.word, "destination", &dests)));
    for (word, what, known) in wanted {
        if !known.contains_key(word.text.as_str()) {
            let text = format!("{what} `{}` is not defined", word.text);
            fault(faults, &Place::new(file, word.line), text);
        }
    }
}

/// A word of `pass` that is no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// `any`, `all`: with or without `!` it lets everything through.
    Any,
    /// `none`: with or without `!` it stops everything.
    None,
    InAddr,
    Dnsbl,
}

fn special(word: &str) -> Option<Special> {
    match word {
        "any" | "all" => Some(Special::Any),
        "none" => Some(Special::None),
        "in-addr" => Some(Special::InAddr),
        _ if word.starts_with("dnsbl") => Some(Special::Dnsbl),
        _ => None,
    }
}

struct Translator<'a, 'b> {
    collector: Collector<'a>,
    dests: HashMap<&'b str, (&'b Dest, lists::Asked)>,
    times: HashMap<&'b str, &'b Times>,
    default: &'b Acl,
    rules: &'a mut Vec<DraftRule>,
    dialect: Dialect,
    conf: &'b Conf,
    /// Rules as they are going to be written: one for each piece of a rule's times.
    written: usize,
    /// Exceptions of all rules.
    exceptions: usize,
}

/// Whose branch is written.
struct Branching<'b> {
    label: &'b str,
    who: Who,
    state: State,
    search: Search,
}

impl<'b> Translator<'_, 'b> {
    /// Whether there is more than anybody could use; then nothing is added any more.
    const fn is_full(&self) -> bool {
        self.written > RULES_MAX || self.exceptions > EXCEPTIONS_MAX
    }

    fn add(&mut self, kind: Kind, word: &Word) {
        let place = self.collector.place(word.line);
        self.collector.report.add(kind, &place, word.text.clone());
    }

    /// What the whole file says that no rule has.
    fn remarks(&mut self) {
        let conf = self.conf;
        let whole = Place::new(self.collector.file, 0);
        self.collector.report.add(Kind::Canonical, &whole, "every request");
        if self.dialect == Dialect::SquidGuard {
            self.collector.report.add(Kind::Ipv6, &whole, "every source by address");
        }
        for (word, kind) in &conf.settings {
            match kind {
                SettingKind::Plain => self.add(Kind::Setting, word),
                SettingKind::Security => self.add(Kind::Security, word),
            }
        }
        for block in &conf.times {
            block.lost.iter().for_each(|word| self.add(Kind::TimeYearly, word));
            block.never.iter().for_each(|word| self.add(Kind::Never, word));
        }
        let mut in_addr = Vec::new();
        for acl in &conf.acls {
            acl.logs.iter().for_each(|log| self.add(Kind::Log, log));
            if let Some(rewrite) = acl.rewrite.as_ref().filter(|word| word.text != "none") {
                self.add(Kind::Rewrite, rewrite);
            }
            if let Some(redirect) = &acl.redirect {
                self.add(Kind::Redirect, redirect);
            }
            if acl.source.text == "default" && acl.branch != Branch::Always {
                self.add(Kind::DefaultTime, &acl.source);
            }
            in_addr.extend(
                acl.pass.iter().filter(|pass| special(&pass.word.text) == Some(Special::InAddr)),
            );
            self.ends(acl);
        }
        for pass in in_addr {
            self.add(
                if pass.sign == Sign::Stop { Kind::InAddr } else { Kind::InAddrPermit },
                &pass.word,
            );
        }
        for dest in &conf.dests {
            dest.redirect.iter().for_each(|redirect| self.add(Kind::Redirect, redirect));
            dest.rewrite.iter().for_each(|rewrite| self.add(Kind::Rewrite, rewrite));
        }
    }

    /// Words behind the end of a branch, and a branch without one.
    fn ends(&mut self, acl: &Acl) {
        let end =
            |pass: &Pass| matches!(special(&pass.word.text), Some(Special::Any | Special::None));
        match acl.pass.iter().position(end) {
            Some(end) => {
                for pass in acl.pass.iter().skip(end + 1) {
                    self.add(Kind::Unreachable, &pass.word);
                }
            }
            None if !acl.pass.is_empty() => self.add(Kind::OpenEnd, &acl.source),
            None => {}
        }
    }

    /// When `during` holds.
    fn during(&self, during: &During) -> Times {
        // A name that is not defined is a fault before this.
        let within = self
            .times
            .get(during.time.text.as_str())
            .map_or_else(Times::never, |times| (*times).clone());
        match during.side {
            Side::Within => within,
            Side::Outside => within.outside(),
        }
    }

    fn source(&mut self, source: &'b Source, asked: sources::Asked) {
        if asked.presence == Presence::Nobody {
            return;
        }
        let mut left =
            source.during.as_ref().map_or_else(Times::always, |during| self.during(during));
        let label = source.name.text.as_str();
        let branching =
            Branching { label, who: asked.who, state: asked.state, search: source.search };
        let conf = self.conf;
        let active = left.clone();
        let mut before = Times::never();
        for acl in conf.acls.iter().filter(|acl| acl.source.text == label) {
            let (when, shown) = match &acl.branch {
                Branch::Always => (Times::always(), active.clone()),
                Branch::During(during) => {
                    let when = self.during(during);
                    let shown = active.and(&when);
                    (when, shown)
                }
                Branch::Else => (before.outside(), active.clone()),
            };
            self.branch_within(&branching, acl, &left.and(&when), &shown);
            left = left.without(&when);
            before = when;
        }
        self.branch_within(&branching, self.default, &left, &active);
    }

    /// A branch that counts at `exact` times. Where the branches before it have an end each, nothing is
    /// left of the times in which they count, and the simpler `shown` says the same.
    fn branch_within(&mut self, of: &Branching<'_>, acl: &'b Acl, exact: &Times, shown: &Times) {
        match of.search {
            Search::Ends if !exact.is_never() => self.branch(of, acl, shown),
            Search::Ends | Search::GoesOn => self.branch(of, acl, exact),
        }
    }

    /// The words of a branch, as rules for the times that are left to it.
    fn branch(&mut self, of: &Branching<'_>, acl: &'b Acl, when: &Times) {
        if when.is_never() {
            return;
        }
        let pass = if acl.pass.is_empty() { &self.default.pass } else { &acl.pass };
        // Without any words squidGuard stops everything.
        let mut end = (if pass.is_empty() { Then::Deny } else { Then::Permit }, &acl.source);
        let mut passed = Vec::new();
        for pass in pass {
            let then = if pass.sign == Sign::Stop { Then::Deny } else { Then::Permit };
            match special(&pass.word.text) {
                Some(Special::Any) => {
                    end = (Then::Permit, &pass.word);
                    break;
                }
                Some(Special::None) => {
                    end = (Then::Deny, &pass.word);
                    break;
                }
                Some(Special::InAddr) => {
                    self.rule(of, acl, (&pass.word, then), What::AnyAddress, when, &mut passed);
                }
                Some(Special::Dnsbl) => self.add(Kind::Dnsbl, &pass.word),
                None => self.dest(of, acl, (pass, then), when, &mut passed),
            }
        }
        let (then, word) = end;
        self.rule(of, acl, (word, then), What::Everything, when, &mut passed);
    }

    fn dest(
        &mut self,
        of: &Branching<'_>,
        acl: &'b Acl,
        (pass, then): (&Pass, Then),
        when: &Times,
        passed: &mut Vec<What>,
    ) {
        let Some((dest, asked)) = self.dests.get(pass.word.text.as_str()) else { return };
        let (dest, whats) = (*dest, asked.whats.clone());
        let when = match &dest.during {
            Some(during) => when.and(&self.during(during)),
            None => when.clone(),
        };
        if of.search == Search::GoesOn && then == Then::Permit && dest.during.is_some() {
            let what = format!("the time of `{}` in a source that continues", dest.name.text);
            let place = self.collector.place(pass.word.line);
            self.collector.report.add(Kind::Unsupported, &place, what);
        }
        if whats.is_empty() {
            let what = format!("destination `{}` has no lists", dest.name.text);
            let place = self.collector.place(pass.word.line);
            self.collector.report.add(Kind::Never, &place, what);
        }
        for what in whats {
            self.rule(of, acl, (&pass.word, then), what, &when, passed);
        }
    }

    fn rule(
        &mut self,
        of: &Branching<'_>,
        acl: &Acl,
        (word, then): (&Word, Then),
        what: What,
        when: &Times,
        passed: &mut Vec<What>,
    ) {
        if when.is_never() || self.is_full() {
            return;
        }
        let mut except = Vec::new();
        if of.search == Search::GoesOn {
            // What passes here is asked of the next source: no rule, and no business of the rules behind.
            if then == Then::Permit {
                passed.push(what);
                return;
            }
            self.exceptions += passed.len();
            if self.is_full() {
                return;
            }
            except.clone_from(passed);
        }
        self.written += when.len();
        if then == Then::Deny && !self.has_page(acl, word) {
            self.add(Kind::NoRedirect, word);
        }
        let label = if matches!(what, What::Everything) { "rest" } else { word.text.as_str() };
        let suffix = if matches!(what, What::Expressions(_)) { "-expressions" } else { "" };
        let about = matches!(what, What::Lists(_) | What::Expressions(_)) && then == Then::Deny;
        self.rules.push(DraftRule {
            name: format!("{}-{label}{suffix}", of.label),
            place: self.collector.place(word.line),
            who: of.who.clone(),
            what,
            except,
            when: when.clone(),
            then,
            description: about.then(|| format!("category {}", word.text)),
            state: of.state,
        });
    }

    /// Whether squidGuard has anywhere to send what it stops; without that it lets it through.
    fn has_page(&self, acl: &Acl, word: &Word) -> bool {
        let default = |word: &&Word| word.text != "default";
        let dest = self.dests.get(word.text.as_str()).map(|(dest, _)| *dest);
        acl.redirect.as_ref().filter(default).is_some()
            || self.default.redirect.as_ref().filter(default).is_some()
            || dest.is_some_and(|dest| dest.redirect.is_some() || dest.rewrite.is_some())
    }
}
