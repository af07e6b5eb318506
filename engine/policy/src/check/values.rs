//! One value of an attribute to its canonical form, or why not.

use super::address::{AddressFault, parse_range};
use super::policy::{
    AddressClass, AddressRange, Anomaly, Application, DomainPattern, ListKind, Scope,
};
use crate::diagnostic::{Code, nearest, quote};
use crate::lists::ListFormat;
use crate::regex::{Field, PatternFault, RegexPattern};
use crate::uri::{Domain, SuffixKind, UriPrefix, parse_address, public_suffix};
use crate::verdict::{Action, Tls};

/// Why a value is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: Code, message: String) -> Self {
        Self { code, message, help: None }
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Whether a rule may cover a whole public suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// It said `allow-broad: true`.
    Any,
    /// It did not.
    Narrow,
}

/// What a domain attribute may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Hosts: names, and addresses as hosts.
    Hosts,
    /// Names only: an SNI is never an address.
    Sni,
}

/// A domain as a rule names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DomainValue {
    /// A name or address.
    Pattern(DomainPattern),
    /// `*` in a rule that may be broad.
    Everything,
}

/// `did you mean ...`
pub(super) fn meant(word: Option<&str>) -> Option<String> {
    word.map(|word| format!("did you mean `{word}`?"))
}

pub(super) fn uri(text: &str, breadth: Breadth) -> Result<UriPrefix, Refusal> {
    let prefix = UriPrefix::parse(text).map_err(|fault| {
        let message = format!("{} is no URI prefix: {}", quote(text), fault.sentence());
        Refusal::new(Code::BadUri, message)
    })?;
    match (public_suffix(prefix.host()), breadth) {
        (SuffixKind::Icann, Breadth::Narrow) => Err(too_broad(text)),
        (SuffixKind::Icann, Breadth::Any) | (SuffixKind::Private | SuffixKind::No, _) => Ok(prefix),
    }
}

fn too_broad(text: &str) -> Refusal {
    Refusal::new(Code::TooBroad, format!("{} covers a whole public suffix", quote(text)))
}

pub(super) fn domain(text: &str, names: Names, breadth: Breadth) -> Result<DomainValue, Refusal> {
    let (name, scope) = name_and_scope(text);
    if name == "*" {
        return match (scope, breadth) {
            (Scope::Tree, Breadth::Any) => Ok(DomainValue::Everything),
            (Scope::Tree | Scope::Host, Breadth::Any | Breadth::Narrow) => {
                Err(Refusal::new(Code::TooBroad, "`*` covers every name".to_owned()))
            }
        };
    }
    let bad = |why: &str| {
        let message = format!("{} is no domain name: {why}", quote(text));
        Err(Refusal::new(Code::BadDomain, message).help(domain_help(name)))
    };
    match (parse_address(name.as_bytes()), names) {
        (Some(Ok(_)), Names::Sni) => return bad("an SNI is never an address"),
        (Some(Ok(address)), Names::Hosts) => {
            let name = host_text(address);
            return Ok(DomainValue::Pattern(DomainPattern { name, scope: Scope::Host }));
        }
        (Some(Err(fault)), Names::Hosts | Names::Sni) => return bad(fault.sentence()),
        (None, Names::Hosts | Names::Sni) => {}
    }
    let mut buffer = String::new();
    let name = match Domain::parse(&mut buffer, name.as_bytes()) {
        Ok(name) => name.as_str().to_owned(),
        Err(fault) => return bad(fault.sentence()),
    };
    match (scope, public_suffix(&name), breadth) {
        (Scope::Tree, SuffixKind::Icann, Breadth::Narrow) => Err(too_broad(text)),
        (Scope::Tree, SuffixKind::Icann, Breadth::Any)
        | (Scope::Tree, SuffixKind::Private | SuffixKind::No, _)
        | (Scope::Host, _, _) => Ok(DomainValue::Pattern(DomainPattern { name, scope })),
    }
}

/// A domain without the marks that say how far it reaches.
fn name_and_scope(text: &str) -> (&str, Scope) {
    match text.strip_prefix('=') {
        Some(name) => (name, Scope::Host),
        None => (
            text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text),
            Scope::Tree,
        ),
    }
}

/// The address that a domain is read as, where nobody would write it so.
pub(super) fn odd_address(text: &str) -> Option<std::net::IpAddr> {
    match parse_range(name_and_scope(text).0) {
        Err(AddressFault::OddSpelling(address)) => Some(address),
        Ok(_)
        | Err(
            AddressFault::NotAnAddress
            | AddressFault::PrefixLength { .. }
            | AddressFault::Backwards
            | AddressFault::Mixed,
        ) => None,
    }
}

/// What was probably meant where a name is not one.
fn domain_help(name: &str) -> Option<String> {
    if name.contains("://") || name.contains('/') {
        let host = name.split_once("://").map_or(name, |(_, rest)| rest);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        Some(format!(
            "a domain has no scheme and no path: write {}, or use `match-uri`",
            quote(host)
        ))
    } else if name.contains('*') {
        Some("a domain covers every name below it without a `*`".to_owned())
    } else if name.contains(':') {
        Some("a domain has no port; use `match-uri` with one".to_owned())
    } else if name.contains(char::is_whitespace) {
        Some("separate domains by commas, or write a `[ ... ]` list".to_owned())
    } else {
        None
    }
}

/// The text of an address as a host.
pub(crate) fn host_text(address: std::net::IpAddr) -> String {
    match address.to_canonical() {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// An address attribute's value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AddressValue {
    Range(AddressRange),
    Class(AddressClass),
    Path,
}

/// Which side of the request an address is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

const CLASSES: [(&str, AddressClass); 4] = [
    ("loopback", AddressClass::Loopback),
    ("private", AddressClass::Private),
    ("link-local", AddressClass::LinkLocal),
    ("any-literal", AddressClass::AnyLiteral),
];

pub(super) fn address(text: &str, side: Side) -> Result<AddressValue, Refusal> {
    let class = CLASSES.iter().find(|(word, _)| *word == text);
    match (class, side) {
        (Some((_, class)), Side::Destination) => return Ok(AddressValue::Class(*class)),
        (Some(_), Side::Source) => {
            let message = format!("{} is a class of destinations", quote(text));
            let help = "write the ranges, such as `10.0.0.0/8, 192.168.0.0/16`".to_owned();
            return Err(Refusal::new(Code::BadAddress, message).help(Some(help)));
        }
        (None, Side::Source | Side::Destination) => {}
    }
    match parse_range(text) {
        Ok(range) => Ok(AddressValue::Range(range)),
        Err(AddressFault::NotAnAddress) if is_path(text) => Ok(AddressValue::Path),
        Err(fault) => {
            let message = format!("{} is no address: {fault}", quote(text));
            let near = match side {
                Side::Source => None,
                Side::Destination => nearest(text, CLASSES.map(|(word, _)| word)),
            };
            Err(Refusal::new(Code::BadAddress, message).help(meant(near)))
        }
    }
}

/// Whether what is no address may be the path of a list: it has a slash or the dot of a suffix, and
/// a letter that no address has.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        || text.starts_with("./")
        || text.starts_with("../")
        || (text.contains(['/', '.'])
            && !text.contains(':')
            && text.contains(|letter: char| letter.is_alphabetic()))
}

const APPLICATIONS: [(&str, Application); 5] = [
    ("any", Application::Any),
    ("http", Application::Http),
    ("https", Application::Https),
    ("ftp", Application::Ftp),
    ("connect", Application::Connect),
];

pub(super) fn application(text: &str) -> Result<Application, Refusal> {
    let found = APPLICATIONS.iter().find(|(word, _)| *word == text);
    found.map(|(_, application)| *application).ok_or_else(|| {
        let near = nearest(text, APPLICATIONS.map(|(word, _)| word));
        let message = format!("{} is no application", quote(text));
        Refusal::new(Code::UnknownApplication, message).help(meant(near))
    })
}

const ACTIONS: [(&str, Action); 6] = [
    ("permit", Action::Permit),
    ("accept", Action::Permit),
    ("deny", Action::Deny),
    ("block", Action::Deny),
    ("warn", Action::Warn),
    ("aup", Action::Aup),
];

pub(super) fn action(text: &str) -> Result<Action, Refusal> {
    let found = ACTIONS.iter().find(|(word, _)| *word == text);
    found.map(|(_, action)| *action).ok_or_else(|| {
        let near = nearest(text, ACTIONS.map(|(word, _)| word));
        let message = format!("{} is no action; the rule denies", quote(text));
        Refusal::new(Code::UnknownAction, message).help(meant(near))
    })
}

const TLS_WORDS: [(&str, Tls); 3] = [
    (Tls::Splice.word(), Tls::Splice),
    (Tls::Bump.word(), Tls::Bump),
    (Tls::Terminate.word(), Tls::Terminate),
];

pub(super) fn tls(text: &str) -> Result<Tls, Refusal> {
    let found = TLS_WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, tls)| *tls).ok_or_else(|| {
        let near = nearest(text, TLS_WORDS.map(|(word, _)| word));
        let message = format!("{} is nothing to do with a TLS connection", quote(text));
        Refusal::new(Code::UnknownTls, message).help(meant(near))
    })
}

pub(super) fn anomaly(text: &str) -> Result<Anomaly, Refusal> {
    let found = Anomaly::ALL.into_iter().find(|anomaly| anomaly.word() == text);
    found.ok_or_else(|| {
        let near = nearest(text, Anomaly::ALL.map(Anomaly::word));
        let message = format!("{} is no anomaly", quote(text));
        Refusal::new(Code::UnknownAnomaly, message).help(meant(near))
    })
}

pub(super) fn boolean(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::new(
            Code::BadBoolean,
            format!("{} is neither true nor false", quote(text)),
        )),
    }
}

/// The most characters that a rule's name or category has.
const WORD_LETTERS_MAX: usize = 128;

fn is_word(text: &str) -> bool {
    (1..=WORD_LETTERS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

pub(super) fn category(text: &str) -> Result<String, Refusal> {
    match is_word(text) {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(Code::BadCategory, format!("{} is no category", quote(text)))),
    }
}

/// Names that the engine's own verdicts have.
const RESERVED: [&str; 3] = ["invalid-request", "audit-unavailable", "engine-unavailable"];

pub(super) fn name(text: &str) -> Result<(), Refusal> {
    if !is_word(text) {
        let refusal = Refusal::new(Code::BadName, format!("{} is no rule name", quote(text)));
        return Err(refusal.help(near_name(text)));
    }
    if is_reserved(text) {
        let message = format!("the name {} is the engine's own", quote(text));
        return Err(Refusal::new(Code::ReservedName, message));
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    name.starts_with("default-") || RESERVED.contains(&name)
}

/// A name that could be meant: each run of characters that no name has becomes one `-`.
fn near_name(text: &str) -> Option<String> {
    let parts =
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_.-".contains(letter));
    let near = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    (is_word(&near) && !is_reserved(&near)).then(|| format!("write `{near}`"))
}

/// The most bytes of a description or of a part of a user agent.
const TEXT_BYTES_MAX: usize = 2_000;

pub(super) fn text(text: &str) -> Result<String, Refusal> {
    match text.len() <= TEXT_BYTES_MAX {
        true => Ok(text.to_owned()),
        false => {
            let message =
                format!("the text has {} bytes; at most {TEXT_BYTES_MAX} are kept", text.len());
            Err(Refusal::new(Code::TextTooLong, message))
        }
    }
}

/// A regular expression for a field.
pub(super) fn regex(text: &str, field: Field, breadth: Breadth) -> Result<RegexPattern, Refusal> {
    let refusal = |fault: &PatternFault| Refusal::new(fault.code(), fault.to_string());
    let pattern = RegexPattern::parse(text).map_err(|fault| refusal(&fault))?;
    match (breadth, pattern.fits_every(field)) {
        (Breadth::Narrow, Err(fault)) => Err(refusal(&fault)),
        (Breadth::Narrow, Ok(())) | (Breadth::Any, Ok(()) | Err(_)) => Ok(pattern),
    }
}

/// The most bytes of a path.
const PATH_BYTES_MAX: usize = 4_096;

/// The path of a list, resolved against the folder of the policy file, and the format that is said.
pub(super) fn list_path(
    text: &str,
    kind: ListKind,
    file: &str,
) -> Result<(String, Option<ListFormat>), Refusal> {
    let (path, format) = match text.rsplit_once(" as ") {
        Some((path, word)) => (path.trim_end(), Some(list_format(word.trim(), kind)?)),
        None => (text, None),
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        let message = format!("{} is no path of a list", quote(text));
        return Err(Refusal::new(Code::BadListPath, message));
    }
    if path.starts_with('/') {
        return Ok((path.to_owned(), format));
    }
    let path = path.trim_start_matches("./");
    match file.rsplit_once('/') {
        Some((folder, _)) => Ok((format!("{folder}/{path}"), format)),
        None => Ok((path.to_owned(), format)),
    }
}

fn list_format(word: &str, kind: ListKind) -> Result<ListFormat, Refusal> {
    let refusal = |message: String| Refusal::new(Code::BadListPath, message);
    let found = ListFormat::of_word(word).ok_or_else(|| {
        let near = nearest(word, ListFormat::ALL.map(ListFormat::word));
        refusal(format!("{} is no format of a list", quote(word))).help(meant(near))
    })?;
    match (kind, found) {
        (ListKind::Addresses | ListKind::Users, ListFormat::Plain) => Ok(found),
        (ListKind::Addresses | ListKind::Users, _) => {
            Err(refusal(format!("a list of addresses or users is plain, not {}", quote(word))))
        }
        (ListKind::Domains | ListKind::Urls | ListKind::Expressions, _) => Ok(found),
    }
}
