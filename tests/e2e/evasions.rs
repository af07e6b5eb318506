//! The evasion corpus through a real Squid: requests as raw bytes, by the ids of the corpus, groups A to
//! E and the CONNECTs of G; what is inside tunnels is in `tunnels`. What has to be denied never reaches the origin, whether the engine denies it or Squid refuses it;
//! what reaches the origin is our choice, and `docs/manual/evasions.md` says why.

use anyhow::{Result, bail};
use eg_tests::browser::Browser;
use eg_tests::folder::Folder;
use eg_tests::installation::Plan;
use eg_tests::origin::Seen;
use eg_tests::programs::Programs;
use eg_tests::site::Site;
use eg_tests::trail::Trail;

/// What is due for a request.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// The portal's page by this rule.
    By(&'static str),
    /// Squid's own refusal; nobody is asked.
    Refused,
    /// The origin is asked for this path.
    Passes(&'static str),
}

use Due::{By, Passes, Refused};

const TREE: Due = By("block-tree");
const IDN: Due = By("block-idn");
const ADDRESS: Due = By("block-address");
const PATH: Due = By("block-path");
const KEYWORD: Due = By("block-keyword");
const FOLDER: Due = By("block-folder");
const INVALID: Due = By("invalid-request");

/// The rows of one group: id, what is sent, what is due. `:P` stands for the origin's port.
type Table = &'static [(&'static str, &'static [u8], Due)];

/// URLs that are asked for with GET.
const AUTHORITY: Table = &[
    ("A01", b"http://BLOCKED.Test:P/a", TREE),
    ("A02", b"HTTP://blocked.test:P/a", TREE),
    ("A04", b"http://blocked.test.:P/a", TREE),
    ("A04", b"http://blocked.test..:P/a", TREE),
    ("A05", b"http://.blocked.test:P/a", Refused),
    ("A05", b"http://blocked..test:P/a", Refused),
    ("A06", b"http://www.blocked.test:P/a", TREE),
    ("A08", b"http://blocked.test.evil.test:P/a", Passes("/a")),
    ("A09", b"http://good.test@blocked.test:P/a", TREE),
    ("A10", b"http://good.test:80@blocked.test:P/a", TREE),
    ("A12", b"http://good.test\\@blocked.test:P/a", TREE),
    ("A13", b"http://blocked.test\\@good.test:P/a", Passes("/a")),
    ("A14", b"http://good.test:P#@blocked.test/a", Passes("/#@blocked.test/a")),
    ("A16", b"http://bl%6fcked.test:P/a", INVALID),
    ("A17", b"http://blocked%2etest:P/a", INVALID),
    ("A18", b"http://blocked.test%00.good.test:P/a", INVALID),
    ("A20", b"http://blocked.test\t:P/a", TREE),
    ("A21", b"http://blocked.test:0080/a", TREE),
    ("A22", b"http://blocked.test:80abc/a", TREE),
    ("A24", b"http://blocked.test:/a", Refused),
    ("A24", b"http://blocked.test:65536/a", Refused),
    ("A24", b"http://blocked.test:99999/a", Refused),
    ("A25", b"http://blocked.test\\a", INVALID),
    ("A26", b"http:/blocked.test/a", Refused),
    ("A26", b"http:blocked.test/a", Refused),
    ("A26", b"http:///blocked.test/a", Refused),
    ("A32", b"https://blocked.test/a", TREE),
    ("A33", b"ws://blocked.test/", Refused),
    ("A33", b"gopher://blocked.test/", Refused),
    ("A33", b"urn:blocked.test", Refused),
    ("A34", b"cache_object://blocked.test/", INVALID),
    ("A34", b"http://proxy.demo.example:P/squid-internal-mgr/info", INVALID),
];

const NAMES: Table = &[
    ("B01", b"http://b\xc3\xbccher.test:P/", IDN),
    ("B02", b"http://xn--bcher-kva.test:P/", IDN),
    ("B03", b"http://XN--BCHER-KVA.test:P/", IDN),
    ("B05", b"http://b\xfccher.test:P/", INVALID),
    ("B06", b"http://blocked\xe3\x80\x82test:P/", TREE),
    ("B06", b"http://blocked\xef\xbc\x8etest:P/", TREE),
    ("B06", b"http://blocked\xef\xbd\xa1test:P/", TREE),
    ("B07", b"http://\xef\xbd\x82\xef\xbd\x8c\xef\xbd\x8f\xef\xbd\x83\xef\xbd\x8b\xef\xbd\x85\xef\xbd\x84.test:P/", TREE),
    ("B07", b"http://\xe2\x93\x91locked.test:P/", TREE),
    ("B09", b"http://xn--a.test:P/", INVALID),
    ("B10", b"http://bu\xcc\x88cher.test:P/", IDN),
    ("B11", b"http://xn--strae-oqa.test:P/", Passes("/")),
    ("B14", b"http://_x.blocked.test:P/", TREE),
];

const ADDRESSES: Table = &[
    ("C01", b"http://127.0.0.1.:P/", ADDRESS),
    ("C03", b"http://2130706433:P/", ADDRESS),
    ("C04", b"http://0x7f000001:P/", ADDRESS),
    ("C04", b"http://0x7f.1:P/", ADDRESS),
    ("C05", b"http://0177.0.0.1:P/", ADDRESS),
    ("C05", b"http://017700000001:P/", ADDRESS),
    ("C05", b"http://127.0.0.01:P/", ADDRESS),
    ("C07", b"http://0.0.0.0:P/", ADDRESS),
    ("C08", b"http://0:P/", ADDRESS),
    ("C08", b"http://0x0:P/", ADDRESS),
    ("C08", b"http://00.0:P/", ADDRESS),
    ("C09", b"http://[::ffff:127.0.0.1]:P/", ADDRESS),
    ("C09", b"http://[::ffff:7f00:1]:P/", ADDRESS),
    ("C09", b"http://[0:0:0:0:0:ffff:127.0.0.1]:P/", ADDRESS),
    ("C11", b"http://::1/", ADDRESS),
    ("C12", b"http://[fe80::1%25eth0]:P/", INVALID),
    ("C13", b"http://[::1]blocked.test:P/", ADDRESS),
    ("C15", b"http://127.0.0.2:P/", ADDRESS),
    ("C15", b"http://127.255.255.254:P/", ADDRESS),
    ("C17", b"http://127.0.0.1.nip.example:P/", Passes("/")),
];

const PATHS: Table = &[
    ("D01", b"http://shared.test:P/SECRET", Passes("/SECRET")),
    ("D03", b"http://shared.test:P//secret", PATH),
    ("D03", b"http://shared.test:P///secret", PATH),
    ("D04", b"http://shared.test:P/./secret", PATH),
    ("D05", b"http://shared.test:P/x/../secret", PATH),
    ("D07", b"http://shared.test:P/x/..%2fsecret", PATH),
    ("D08", b"http://shared.test:P/%2e/secret", PATH),
    ("D09", b"http://shared.test:P/s%65cret", PATH),
    ("D09", b"http://shared.test:P/%73%65%63%72%65%74", PATH),
    ("D11", b"http://shared.test:P/s%c1%a5cret", Passes("/s%c1%a5cret")),
    ("D12", b"http://shared.test:P/s%u0065cret", Passes("/s%u0065cret")),
    ("D13", b"http://shared.test:P/%zz/../secret", PATH),
    ("D15", b"http://shared.test:P/secret%00.html", INVALID),
    ("D15", b"http://shared.test:P/%00/secret", INVALID),
    ("D16", b"http://shared.test:P/secret;x=1", PATH),
    ("D17", b"http://shared.test:P/secret?x", PATH),
    ("D17", b"http://shared.test:P/secret%3fx", PATH),
    ("D19", b"http://shared.test:P/#/secret", Passes("/#/secret")),
    ("D19", b"http://shared.test:P?/secret", Passes("/?/secret")),
    ("D19", b"http://shared.test:P/;/secret", PATH),
    ("D20", b"http://shared.test:P/\\secret", PATH),
    ("D20", b"http://shared.test:P\\secret", Passes("/")),
    ("D21", b"http://shared.test:P/sec\tret", PATH),
    ("D21", b"http://shared.test:P/sec ret", PATH),
    ("D23", b"http://shared.test:P/secret%20", PATH),
    ("D23", b"http://shared.test:P/secret.", PATH),
    ("D24", b"http://shared.test:P/%2fsecret", PATH),
    ("D25", b"http://shared.test:P/secret%0d%0aX:1", PATH),
    (
        "D33",
        b"http://shared.test:P/translate?u=http://blocked.test/",
        Passes("/translate?u=http://blocked.test/"),
    ),
    (
        "D35",
        b"http://shared.test:P/?u=aHR0cDovL2Jsb2NrZWQudGVzdC8=",
        Passes("/?u=aHR0cDovL2Jsb2NrZWQudGVzdC8="),
    ),
    ("D39", b"http://shared.test:P/secret\x80\xff", PATH),
    ("D39", b"http://blocked.test:P/\x80\xff", TREE),
    ("D40", b"http://blocked.test:P/a\"b", TREE),
    ("D40", b"http://blocked.test:P/{}^`<>|", TREE),
    ("D40", b"http://good.test:P/{}^`<>|", Passes("/{}^`<>|")),
    ("D27", b"http://shared.test:P/?q=ca+sino", Passes("/?q=ca+sino")),
    ("D27", b"http://shared.test:P/?q=ca%20sino", KEYWORD),
    ("D28", b"http://shared.test:P/c%61sino", KEYWORD),
    ("D28", b"http://shared.test:P/CA%73%69NO", KEYWORD),
    ("D28", b"http://shared.test:P/%zz/c%61sino", KEYWORD),
    ("D29", b"http://shared.test:P/c%2561sino", KEYWORD),
    ("D29", b"http://shared.test:P/c%00asino", INVALID),
    ("D31", b"http://shared.test:P/warez", Passes("/warez")),
    ("D32", b"http://shared.test:P/%2fwarez/", FOLDER),
    ("D32", b"http://shared.test:P/warez%2f", FOLDER),
    ("D32", b"http://shared.test:P/./warez/./", FOLDER),
    ("D32", b"http://shared.test:P//warez//", FOLDER),
];

/// Whole requests.
const MESSAGES: Table = &[
    ("A28", b"GET http://blocked.test:P/a HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n", TREE),
    ("A28", b"GET http://good.test:P/a HTTP/1.1\r\nHost: blocked.test\r\nConnection: close\r\n\r\n", Passes("/a")),
    ("A29", b"GET http://blocked.test:P/a HTTP/1.1\r\nHost: good.test\r\nHost: blocked.test\r\nConnection: close\r\n\r\n", TREE),
    ("A29", b"GET http://blocked.test:P/a HTTP/1.1\r\nHost: blocked.test\r\nHost: good.test\r\nConnection: close\r\n\r\n", TREE),
    ("A30", b"GET /a HTTP/1.1\r\nHost: blocked.test\r\nConnection: close\r\n\r\n", Refused),
    ("E01", b"HEAD http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E01", b"POST http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", TREE),
    ("E01", b"PUT http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", TREE),
    ("E01", b"DELETE http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E01", b"OPTIONS http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E01", b"TRACE http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E01", b"FOO http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E01", b"get http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("E03", b"GET http://blocked.test:P/ HTTP/1.0\r\n\r\n", TREE),
    ("E03", b"GET http://blocked.test:P/\r\n", TREE),
    ("E03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused),
    ("E09", b"POST http://blocked.test:P/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\nConnection: close\r\n\r\n", TREE),
    ("G01", b"CONNECT blocked.test:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("G01", b"CONNECT BLOCKED.test.:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("G03", b"CONNECT good.test@blocked.test:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", INVALID),
    ("G04", b"CONNECT blocked.test HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", TREE),
    ("G05", b"CONNECT http://blocked.test:443/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", INVALID),
    ("G07", b"CONNECT 2130706433:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G07", b"CONNECT 0x7f.1:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G07", b"CONNECT [::ffff:7f00:1]:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G08", b"CONNECT 0:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G08", b"CONNECT 0x0:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G08", b"CONNECT 0.0.0.0:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ADDRESS),
    ("G09", b"CONNECT bl%6fcked.test:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", INVALID),
    ("G", b"CONNECT xn--a.test:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", INVALID),
];

/// The chain with the policy under test.
fn site() -> Result<Site> {
    let rules = eg_tests::shared::workspace().join("tests/data/evasions/rules.d");
    let plan = Plan { rules: Some(rules), ..Plan::demo() };
    Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &plan)
}

/// Puts the origin's port where `:P` stands.
fn with_port(bytes: &[u8], port: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|two| two == b":P") {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(format!(":{port}").as_bytes());
        rest = after.get(2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// What came of one request, in the words of a failure.
fn came_of(site: &Site, trail: &mut Trail, message: &[u8], due: Due) -> Result<Option<String>> {
    let before = site.origin.seen().len();
    let browser = Browser::new(site.squid.plain());
    let first = browser.send_raw(&[message], 1)?.into_iter().next();
    let entries = match due {
        By(_) | Passes(_) => trail.await_news(1)?,
        Refused => trail.news()?,
    };
    let seen = site.origin.seen().split_off(before);
    let asked: Vec<&str> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Request { path, .. } => Some(path.as_str()),
            Seen::Handshake(_) => None,
        })
        .collect();
    let rules: Vec<&str> = entries.iter().map(|entry| entry.rule.as_str()).collect();
    let status = first.as_ref().map(|reply| reply.status);
    let portal = site.installation.base_url();
    let location = first.as_ref().and_then(|reply| reply.header("location")).unwrap_or_default();
    let to_portal = location.starts_with(&format!("{portal}blocked?v=1&p="));
    let good = match due {
        By(rule) => rules == [rule] && asked.is_empty() && to_portal,
        Refused => rules.is_empty() && asked.is_empty() && status.is_none_or(|s| s >= 400),
        Passes(path) => rules == ["default-permit"] && asked == [path] && status == Some(200),
    };
    Ok((!good)
        .then(|| format!("due {due:?}: {status:?} rules {rules:?} origin {seen:?} {location}")))
}

fn check(site: &Site, table: Table, make: impl Fn(&[u8]) -> Vec<u8>) -> Result<Vec<String>> {
    let mut trail = site.installation.trail();
    trail.news()?;
    let port = site.origin.http().port();
    let mut bad = Vec::new();
    for (id, bytes, due) in table {
        let message = make(&with_port(bytes, port));
        if let Some(fault) = came_of(site, &mut trail, &message, *due)? {
            bad.push(format!("{id} {}: {fault}", bytes.escape_ascii()));
        }
    }
    Ok(bad)
}

fn get(url: &[u8]) -> Vec<u8> {
    let mut message = b"GET ".to_vec();
    message.extend_from_slice(url);
    message.extend_from_slice(b" HTTP/1.1\r\nHost: harness.test\r\nConnection: close\r\n\r\n");
    message
}

#[test]
fn no_spelling_of_a_request_slips_through() -> Result<()> {
    let site = site()?;
    let mut bad = Vec::new();
    for table in [AUTHORITY, NAMES, ADDRESSES, PATHS] {
        bad.extend(check(&site, table, get)?);
    }
    bad.extend(check(&site, MESSAGES, <[u8]>::to_vec)?);
    if !bad.is_empty() {
        bail!("{} rows:\n{}\n{}", bad.len(), bad.join("\n"), site.logs());
    }
    site.stop()
}

/// D36: a match behind 7,000 bytes is one.
#[test]
fn a_long_address_is_read_to_its_end() -> Result<()> {
    let site = site()?;
    let mut trail = site.installation.trail();
    trail.news()?;
    let filling = "x/".repeat(3_500);
    let port = site.origin.http().port();
    for (end, due) in [("casino", KEYWORD), ("warez/", FOLDER)] {
        let message = get(format!("http://shared.test:{port}/{filling}{end}").as_bytes());
        if let Some(fault) = came_of(&site, &mut trail, &message, due)? {
            bail!("{end}: {fault}");
        }
    }
    site.stop()
}

/// E04 and E05: what one connection was permitted says nothing of its next request.
#[test]
fn each_request_of_a_connection_is_judged() -> Result<()> {
    let site = site()?;
    let port = site.origin.http().port();
    let get = |host: &str| format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (good, blocked) = (get("good.test"), get("blocked.test"));
    let both = format!("{good}{blocked}");
    let ways: [&[&[u8]]; 2] = [&[both.as_bytes()], &[good.as_bytes(), blocked.as_bytes()]];
    for pieces in ways {
        let before = site.origin.seen().len();
        let answers = Browser::new(site.squid.plain()).send_raw(pieces, 2)?;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let seen = site.origin.seen().split_off(before);
        if statuses != [200, 302] || seen.len() != 1 {
            bail!("{statuses:?} {seen:?}\n{}", site.logs());
        }
    }
    site.stop()
}
