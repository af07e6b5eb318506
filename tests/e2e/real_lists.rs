//! Real lists and real requests: every answer of the real chain equals the harness's plain walk through
//! the same lists. Requests on which the two differ by design are counted and listed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use eg_proto::Route;
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector, Reply};
use eg_tests::shared;
use eg_tests::walk::{Due, NO_HOST, Walk};

use crate::stage;

const REQUESTS: &str = "urls/requests.tsv.gz";

/// Runs the chain on these lists and URLs and compares every answer.
fn compare(about: &str, lists: &[(String, PathBuf)], urls: &[String]) -> Result<()> {
    let plan =
        Plan { rules: None, verdicts: "blocked", threads: 2, inspect: "off", ..Plan::demo() };
    let mut installation = stage::installation(&plan)?;
    lines::one_rule_each(lists, &installation.path("rules.d"))?;
    installation.start_engine()?;
    let replies = replay(&installation, urls)?;
    let walk = Walk::read(lists)?;
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
        match walk.due(url) {
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
