//! Real lists and real requests: every answer of the real chain equals a plain walk through sets that
//! this test makes by itself, from the lists' lines and with its own reading of a URL.
//!
//! Requests on which the two differ by design are told apart by the oracle alone, before it looks at
//! an answer; they are counted and listed:
//! - a URL over 8,192 bytes, which Squid never hands on;
//! - a host that cannot be one, which the engine denies as `invalid-request`;
//! - a host that only a public suffix on a list covers (`com`), which the engine leaves out.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use eg_proto::Route;
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector, Reply};
use eg_tests::shared;

use crate::stage;

/// The class of requests whose host no name or address can be.
const NO_HOST: &str = "a host that cannot be one";
const URL_BYTES_MAX: usize = 8_192;
const REQUESTS: &str = "urls/requests.tsv.gz";

/// What is due for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// No list names the host.
    Permit,
    /// The first list that names it or a parent.
    Deny(String),
    /// Not the walk's to say, and why.
    ByDesign(&'static str),
}

/// Lists as a plain set of names, each with the first list that names it.
#[derive(Debug, Default)]
struct Oracle {
    names: HashMap<String, usize>,
    lists: Vec<String>,
}

impl Oracle {
    fn read(lists: &[(String, PathBuf)]) -> Result<Self> {
        let mut oracle = Self::default();
        for (index, (name, path)) in lists.iter().enumerate() {
            oracle.lists.push(name.clone());
            let text = match path.extension() {
                Some(extension) if extension == "gz" => shared::read_gz(path)?,
                Some(_) | None => String::from_utf8_lossy(&std::fs::read(path)?).into_owned(),
            };
            for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
                let entry = line.to_ascii_lowercase();
                let entry = entry.trim_start_matches("*.").trim_matches('.');
                if !entry.is_empty() {
                    oracle.names.entry(entry.to_owned()).or_insert(index);
                }
            }
        }
        Ok(oracle)
    }

    fn due(&self, url: &str) -> Due {
        if url.len() > URL_BYTES_MAX {
            return Due::ByDesign("a URL over 8,192 bytes");
        }
        let Some(host) = host(url) else { return Due::ByDesign(NO_HOST) };
        let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[');
        let mut first: Option<usize> = None;
        let mut suffix_only = false;
        let mut rest = host.as_str();
        loop {
            if let Some(index) = self.names.get(rest) {
                if is_icann_suffix(rest) {
                    suffix_only = true;
                } else {
                    first = Some(first.map_or(*index, |known| known.min(*index)));
                }
            }
            match rest.split_once('.') {
                Some((_, parent)) if !is_address => rest = parent,
                Some(_) | None => break,
            }
        }
        match first {
            Some(index) => Due::Deny(self.lists[index].clone()),
            None if suffix_only => Due::ByDesign("covered by a public suffix on a list only"),
            None => Due::Permit,
        }
    }
}

/// The host of a URL, read as simply as can be; `None` where it cannot be one.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let host = name.trim_end_matches('.').to_ascii_lowercase();
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_name = host.len() <= 253 && host.split('.').all(fits);
    let ends_in_number = host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    (is_name && (!ends_in_number || is_address)).then_some(host)
}

fn is_icann_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| {
        suffix.as_bytes() == name.as_bytes() && suffix.typ() == Some(psl::Type::Icann)
    })
}

/// Runs the chain on these lists and URLs and compares every answer.
fn compare(about: &str, lists: &[(String, PathBuf)], urls: &[String]) -> Result<()> {
    let plan =
        Plan { rules: None, verdicts: "blocked", threads: 2, inspect: "off", ..Plan::demo() };
    let mut installation = stage::installation(&plan)?;
    lines::one_rule_each(lists, &installation.path("rules.d"))?;
    installation.start_engine()?;
    let replies = replay(&installation, urls)?;
    let oracle = Oracle::read(lists)?;
    let opener = installation.opener()?;
    let mut by_design: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut denied, mut differences) = (0, Vec::new());
    for (url, reply) in urls.iter().zip(&replies) {
        let found = match reply.verdict.as_str() {
            "permit" => Due::Permit,
            "deny" => {
                let opened = opener.open(Route::Blocked, &reply.token, 0);
                Due::Deny(opened.with_context(|| format!("the token of {url}"))?.payload.rule)
            }
            other => anyhow::bail!("the verdict `{other}` for {url}"),
        };
        match oracle.due(url) {
            Due::ByDesign(class) => {
                by_design.entry(class).or_default().push(url);
                if class == NO_HOST && found != Due::Deny("invalid-request".to_owned()) {
                    differences.push(format!("{url}: {class}, and yet {found:?}"));
                }
            }
            due => {
                denied += usize::from(matches!(due, Due::Deny(_)));
                if due != found {
                    differences.push(format!("{url}: {due:?} is due, not {found:?}"));
                }
            }
        }
    }
    report(about, urls.len(), denied, &by_design)?;
    ensure!(
        differences.is_empty(),
        "{about}: {} of {} differ:\n{}",
        differences.len(),
        urls.len(),
        differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    installation.stop()
}

fn replay(installation: &Installation, urls: &[String]) -> Result<Vec<Reply>> {
    let (connector, mut pipes) = Connector::start(installation)?;
    let template = connector.template().clone();
    let replies = lines::replay(&template, &mut pipes, urls, template.slots())?;
    drop(pipes);
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    Ok(replies)
}

/// Prints the counts, and each request that is not the walk's to say.
fn report(
    about: &str,
    rows: usize,
    denied: usize,
    by_design: &BTreeMap<&str, Vec<&str>>,
) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{about}: {rows} requests, {denied} denied by the walk")?;
    for (class, urls) in by_design {
        writeln!(out, "  {class}: {}", urls.len())?;
        for url in urls {
            writeln!(out, "    {}", url.chars().take(100).collect::<String>())?;
        }
    }
    Ok(())
}

fn tier(name: &str) -> Result<()> {
    let test = format!("real_lists::tier_{name}");
    let Some(lists) = shared::data_or_skip(&test, &format!("domains/tiers/{name}")) else {
        return Ok(());
    };
    let Some(requests) = shared::data_or_skip(&test, REQUESTS) else { return Ok(()) };
    let lists = lines::categories(&lists)?;
    ensure!(!lists.is_empty(), "no lists");
    compare(&test, &lists, &shared::request_urls(&requests)?)
}

#[test]
fn the_small_lists_of_the_clone() -> Result<()> {
    let data = shared::workspace().join("tests/data");
    let lists = data.join("demo/rules.d/lists");
    let lists = ["demo", "scam-sample"]
        .map(|name| (name.to_owned(), lists.join(Path::new(name).with_extension("list"))));
    let urls = std::fs::read_to_string(data.join("requests.txt"))?;
    let urls: Vec<String> = urls.lines().map(str::to_owned).collect();
    compare("real_lists::the_small_lists_of_the_clone", &lists, &urls)
}

#[test]
fn tier_10k() -> Result<()> {
    tier("10k")
}

#[test]
fn tier_100k() -> Result<()> {
    tier("100k")
}

#[test]
fn tier_1m() -> Result<()> {
    tier("1m")
}

#[test]
fn tier_all() -> Result<()> {
    tier("all")
}

#[test]
fn the_walk_reads_hosts() {
    let check = |url: &str, expected: Option<&str>| {
        assert_eq!(host(url).as_deref(), expected, "{url}");
    };
    check("http://a.example/x", Some("a.example"));
    check("HTTP://u:p@A.Example.:80?q", Some("a.example"));
    check("https://192.0.2.1/", Some("192.0.2.1"));
    check("http://a b/", None);
    check("http://a..b/", None);
    check("http://1.2.3.999/", None);
    check("nothing", None);
}
