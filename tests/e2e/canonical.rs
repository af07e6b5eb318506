//! Our reading of a URL beside that of the real Squid: for the line that Squid hands to its helper we
//! must name the host, the port and the path that Squid then asks for, or call it malformed. A rule
//! can only hold what it judges.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};
use eg_connector::helper::{Question, split_channel};
use eg_connector::rewrite::{extras, read};
use eg_policy::uri::{CanonicalUri, Form, Host, UriBuffer};
use eg_proto::Retry;
use eg_tests::witness::{Arrival, Asked, Method, Outcome, Way, Witness};

use crate::odd_urls::{self, Due, Odd};

/// Requests that are on their way at once.
const AT_ONCE: usize = 16;
/// Mixed requests of a run, beside the rows of the corpus; each goes both ways.
const MIXES: usize = 900;
/// How many requests of each standing a run must have, both ways together; about half of what it has.
const COMPARED_MIN: usize = 200;
/// Where the mixing begins; a failure names the bytes, so that the number need not be known.
const SEED: u64 = 0x4547_0304;

/// How the two stand to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Squid refuses it before it asks.
    Refused,
    /// We call the line, or the URL in it, malformed.
    Malformed,
    /// It reached the origin that we name.
    Same,
    /// We name a host, and nothing reached the origin.
    Nowhere,
}

#[test]
fn squid_goes_where_we_read_that_it_goes() -> Result<()> {
    let hosts = odd_urls::hosts();
    let mut witness = Witness::start(&hosts, &extras())?;
    let port = witness.port();
    let mut odds = odd_urls::rows(port);
    odds.extend(odd_urls::mixes(SEED, MIXES, port));
    let ways = [Way::Direct, Way::Peer];
    let cases: Vec<(&Odd, Way)> =
        odds.iter().flat_map(|odd| ways.map(|way| (odd, way))).filter(fits).collect();
    let asked: Vec<Asked> = cases
        .iter()
        .map(|(odd, way)| Asked { method: odd.method, target: odd.target.clone(), way: *way })
        .collect();
    let outcomes = witness.ask(&asked, AT_ONCE)?;

    let judge = Judge { hosts: &hosts, port };
    let (mut faults, mut counts) = (Vec::new(), BTreeMap::new());
    for ((odd, way), outcome) in cases.iter().zip(&outcomes) {
        match judge.standing(odd, *way, outcome) {
            Ok(standing) => *counts.entry((*way == Way::Peer, standing)).or_insert(0_usize) += 1,
            Err(fault) => faults.push(format!(
                "{} {way:?} {:?} `{}`: {fault}\n    {outcome}",
                odd.id,
                odd.method,
                odd.target.escape_ascii(),
                outcome = shown(outcome),
            )),
        }
    }
    if !faults.is_empty() {
        bail!("{} of {}; {counts:?}\n{}", faults.len(), cases.len(), faults.join("\n"));
    }
    // With few of a kind, nothing would have been compared.
    for standing in [Standing::Refused, Standing::Malformed, Standing::Same] {
        let count: usize =
            ways.iter().filter_map(|way| counts.get(&(*way == Way::Peer, standing))).sum();
        anyhow::ensure!(count >= COMPARED_MIN, "only {count} are {standing:?}: {counts:?}");
    }
    Ok(())
}

/// A tunnel to a peer would say nothing about a host: only the direct way tells.
fn fits((odd, way): &(&Odd, Way)) -> bool {
    *way == Way::Direct || odd.method == Method::Get
}

fn shown(outcome: &Outcome) -> String {
    let lines: Vec<_> = outcome.lines.iter().map(|line| line.escape_ascii().to_string()).collect();
    let arrivals: Vec<_> = outcome
        .arrivals
        .iter()
        .map(|Arrival { address, host, target }| {
            format!("{address} `{}` `{}`", host.escape_ascii(), target.escape_ascii())
        })
        .collect();
    format!("{:?} {lines:?} {arrivals:?}", outcome.status)
}

struct Judge<'a> {
    hosts: &'a [(&'static [u8], IpAddr)],
    port: u16,
}

impl Judge<'_> {
    fn standing(&self, odd: &Odd, way: Way, outcome: &Outcome) -> Result<Standing, String> {
        let standing = self.compare(odd, way, outcome)?;
        match (odd.due, standing) {
            (Due::Stopped, Standing::Same | Standing::Nowhere) => {
                Err(format!("it is to be stopped, and is {standing:?}"))
            }
            (Due::Reaches, Standing::Refused | Standing::Malformed | Standing::Nowhere) => {
                Err(format!("it is to reach the origin, and is {standing:?}"))
            }
            (Due::Stopped, Standing::Refused | Standing::Malformed)
            | (Due::Reaches, Standing::Same)
            | (Due::Either, _) => Ok(standing),
        }
    }

    fn compare(&self, odd: &Odd, way: Way, outcome: &Outcome) -> Result<Standing, String> {
        let [line] = outcome.lines.as_slice() else {
            return match (outcome.lines.len(), outcome.arrivals.len()) {
                (0, 0) => Ok(Standing::Refused),
                (0, _) => Err("it reached the origin without a question".to_owned()),
                (count, _) => Err(format!("{count} questions for one request")),
            };
        };
        let mut request = Question::default();
        if read(&mut request, split_channel(line).1).is_err() {
            return Ok(Standing::Malformed);
        }
        let query = request.query(0, Retry::First);
        let form = match odd.method {
            Method::Get => Form::Absolute,
            Method::Connect => Form::Connect,
        };
        let mut buffer = UriBuffer::default();
        let Ok(uri) = CanonicalUri::parse(&mut buffer, form, query.uri) else {
            return Ok(Standing::Malformed);
        };
        for arrival in &outcome.arrivals {
            // Of a name beyond ASCII, no address tells whom Squid meant: no name server knows it.
            if way == Way::Direct && query.uri.is_ascii() {
                self.compare_address(&uri, arrival)?;
            }
            match odd.method {
                Method::Get => {
                    compare_host(&uri, &arrival.host)?;
                    compare_path(&uri, arrival)?;
                }
                Method::Connect => compare_host(&uri, query.uri)?,
            }
        }
        Ok(if outcome.arrivals.is_empty() { Standing::Nowhere } else { Standing::Same })
    }

    fn compare_address(&self, uri: &CanonicalUri<'_>, arrival: &Arrival) -> Result<(), String> {
        let expected = match uri.host() {
            // The system takes an unspecified address for itself.
            Host::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Some(Ipv4Addr::LOCALHOST.into()),
            Host::Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Some(Ipv6Addr::LOCALHOST.into()),
            Host::Address(address) => Some(address),
            Host::Name(name) => {
                let mut hosts = self.hosts.iter();
                hosts.find(|(host, _)| *host == name.as_str().as_bytes()).map(|(_, found)| *found)
            }
        };
        if expected != Some(arrival.address) || uri.port() != self.port {
            return Err(format!("we name {}:{}", uri.host_text(), uri.port()));
        }
        Ok(())
    }
}

/// The Host header, or the line of a tunnel, is Squid's word for whom it asks; the `url` crate reads the odd spellings in it that
/// Squid passes on.
fn compare_host(uri: &CanonicalUri<'_>, asked: &[u8]) -> Result<(), String> {
    let scheme = uri.scheme().word();
    let theirs = url::Url::parse(&format!("{scheme}://{}/", String::from_utf8_lossy(asked)))
        .map_err(|fault| format!("Squid asks for an odd host: {fault}"))?;
    let same = match (uri.host(), theirs.host()) {
        (Host::Name(name), Some(url::Host::Domain(theirs))) => name.as_str() == theirs,
        (Host::Address(address), Some(url::Host::Ipv4(theirs))) => address == IpAddr::V4(theirs),
        (Host::Address(address), Some(url::Host::Ipv6(theirs))) => address == theirs.to_canonical(),
        (Host::Name(_) | Host::Address(_), _) => false,
    };
    if !same || theirs.port_or_known_default() != Some(uri.port()) {
        return Err(format!("we name {}:{}", uri.host_text(), uri.port()));
    }
    Ok(())
}

/// What the origin is asked for must read to us as what we judged.
fn compare_path(uri: &CanonicalUri<'_>, arrival: &Arrival) -> Result<(), String> {
    let authority = uri.text().len() - uri.views().next().map_or(0, |view| view.rest().len());
    let asked = [&uri.text()[..authority], &arrival.target].concat();
    let mut buffer = UriBuffer::default();
    match CanonicalUri::parse(&mut buffer, Form::Absolute, &asked) {
        Ok(again) if again.text() == uri.text() => Ok(()),
        Ok(again) => Err(format!("we read {}", again.text().escape_ascii())),
        Err(fault) => Err(format!("what is asked is malformed: {fault}")),
    }
}
