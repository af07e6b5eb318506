//! A plain walk through lists: what is due for a request, by sets that are made from the lists' lines with
//! a reading of URLs of its own. The slow and obvious twin of the whole chain.
//!
//! Requests on which the two differ by design are told apart by the walk alone, before anybody looks at an
//! answer:
//! - a URL over 8,192 bytes, which Squid never hands on;
//! - a host that cannot be one, which the engine denies as `invalid-request`;
//! - a host that only a public suffix on a list covers (`com`), which the engine leaves out.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::shared;

/// The class of requests whose host no name or address can be.
pub const NO_HOST: &str = "a host that cannot be one";
/// The longest URL that Squid hands on.
const URL_BYTES_MAX: usize = 8_192;

/// What is due for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// No list names the host.
    Permit,
    /// The first list that names it or a parent.
    Deny(String),
    /// Not the walk's to say, and why.
    ByDesign(&'static str),
}

/// Lists as a plain set of names, each with the first list that names it.
#[derive(Debug, Default)]
pub struct Walk {
    names: HashMap<String, usize>,
    lists: Vec<String>,
}

impl Walk {
    /// Reads lists, in the order of their rules.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn read(lists: &[(String, PathBuf)]) -> Result<Self> {
        let mut walk = Self::default();
        for (index, (name, path)) in lists.iter().enumerate() {
            walk.lists.push(name.clone());
            let text = match path.extension() {
                Some(extension) if extension == "gz" => shared::read_gz(path)?,
                Some(_) | None => String::from_utf8_lossy(&std::fs::read(path)?).into_owned(),
            };
            for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
                let entry = line.to_ascii_lowercase();
                let entry = entry.trim_start_matches("*.").trim_matches('.');
                if !entry.is_empty() {
                    walk.names.entry(entry.to_owned()).or_insert(index);
                }
            }
        }
        Ok(walk)
    }

    /// What is due for a request.
    #[must_use]
    pub fn due(&self, url: &str) -> Due {
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
            Some(index) => Due::Deny(self.lists.get(index).cloned().unwrap_or_default()),
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
