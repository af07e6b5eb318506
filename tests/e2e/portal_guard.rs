//! F13 and H08 of the evasion corpus through the real Squid: a portal that a rule blocks opens by its exact
//! scheme, host, port and pages, so that nobody is sent round in a circle, and nothing else of its host does.

use anyhow::{Context as _, Result, ensure};
use eg_tests::browser::{Browser, Received, Reply};
use eg_tests::folder::Folder;
use eg_tests::installation::Plan;
use eg_tests::programs::Programs;
use eg_tests::site::Site;

const PORTAL: &str = "portal.demo.example";

fn site() -> Result<Site> {
    let rules = eg_tests::shared::workspace().join("tests/data/inside/rules.d");
    let plan = Plan { rules: Some(rules), portal_host: PORTAL, ..Plan::demo() };
    Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &plan)
}

fn reply(site: &Site, url: &str) -> Result<Reply> {
    match Browser::new(site.squid.plain()).get(url)?.received {
        Received::Reply(reply) => Ok(reply),
        Received::Cut(_) | Received::Nothing => anyhow::bail!("no answer for {url}"),
    }
}

#[test]
fn a_blocked_client_reaches_the_page_through_the_same_proxy() -> Result<()> {
    let site = site()?;
    let mut trail = site.installation.trail();
    trail.news()?;
    let blocked = reply(&site, "http://blocked.test/")?;
    let page = blocked.header("location").context("no redirect")?.to_owned();
    ensure!(page.starts_with(&site.installation.base_url()), "{page}");
    let opened = reply(&site, &page)?;
    ensure!(opened.status == 200 && opened.body.contains("block-tree"), "{opened:?}");
    let rules: Vec<String> = trail.await_news(2)?.into_iter().map(|entry| entry.rule).collect();
    ensure!(rules == ["block-tree", "default-portal"], "{rules:?}\n{}", site.logs());
    site.stop()
}

#[test]
fn nothing_else_of_the_portal_s_host_opens() -> Result<()> {
    let site = site()?;
    let mut trail = site.installation.trail();
    trail.news()?;
    let base = site.installation.base_url();
    let base = base.trim_end_matches('/');
    let other_port = site.origin.http().port();
    let mut bad = Vec::new();
    for (url, rule) in [
        (format!("{base}/healthz"), "default-portal"),
        (format!("{base}/style.css"), "default-portal"),
        (base.replace(PORTAL, "PORTAL.Demo.Example.") + "/healthz", "default-portal"),
        (format!("{base}/"), "block-portal"),
        (format!("{base}/other"), "block-portal"),
        (format!("{base}/healthz/x"), "block-portal"),
        (format!("{base}/blocked/../other"), "block-portal"),
        (format!("{base}/healthz%2f..%2fother"), "block-portal"),
        (format!("http://{PORTAL}:{other_port}/healthz"), "block-portal"),
        (format!("https://{PORTAL}/healthz"), "block-portal"),
    ] {
        let answer = reply(&site, &url)?;
        let entries = trail.await_news(1)?;
        let found: Vec<&str> = entries.iter().map(|entry| entry.rule.as_str()).collect();
        let status = if rule == "default-portal" { 200 } else { 302 };
        if found != [rule] || answer.status != status {
            bad.push(format!("{url}: {rule} is due, not {found:?} with {}", answer.status));
        }
    }
    ensure!(bad.is_empty(), "{}\n{}", bad.join("\n"), site.logs());
    ensure!(site.origin.seen().is_empty(), "it reached the origin: {:?}", site.origin.seen());
    site.stop()
}
