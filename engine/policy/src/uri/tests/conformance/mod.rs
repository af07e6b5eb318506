//! The canonicaliser beside what others agreed on: Unicode's test of UTS 46, the URL Standard's tests of
//! web-platform-tests, and the Public Suffix List with its tests.
//!
//! Every case is run. Where ours differs on purpose, because Squid or SPEC 4 has it otherwise, a table in
//! `engine/policy/tests/data/conformance` lists that very case with the class of its reason. A difference
//! that is not listed fails, and so does a listed one that is none any more. The class comes from the
//! code, not from the table, so that a table that is written anew cannot explain a fault away:
//! `EG_WRITE_DIFFERENCES=1 cargo test -p eg-policy --lib conformance` writes them.
//!
//! Where the whole files are not there, samples of them that lie beside the tables are run.

mod idna;
mod suffixes;
mod table;
mod urls;

use std::path::PathBuf;

use super::super::{CanonicalUri, Form, UriBuffer};
use crate::real_data::{folder_or_skip, in_tree};

/// Where samples and tables lie.
const OWN: &str = "engine/policy/tests/data/conformance";

/// How much of a file of cases is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// The part that is in the clone.
    Sample,
}

/// The file of cases: the whole one, else, with a note that it was left out, the sample.
fn cases(test: &str, whole: &str, sample: &str) -> (Vec<u8>, Extent) {
    let (path, extent) = match folder_or_skip(&format!("uri: {test}, beyond its sample")) {
        Some(folder) => (folder.join("conformance").join(whole), Extent::Whole),
        None => (own(sample), Extent::Sample),
    };
    let bytes = std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let zipped = path.extension().is_some_and(|ending| ending == "gz");
    (if zipped { unpacked(&bytes) } else { bytes }, extent)
}

fn own(name: &str) -> PathBuf {
    in_tree(OWN).join(name)
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut out).unwrap();
    out
}

/// What ours makes of a URI: scheme, host, port, path with query; or the word of its fault.
fn read_uri(raw: &str) -> Result<Parts, &'static str> {
    let mut buffer = UriBuffer::default();
    match CanonicalUri::parse(&mut buffer, Form::Absolute, raw.as_bytes()) {
        Ok(uri) => Ok(Parts {
            scheme: uri.scheme().word().to_owned(),
            host: uri.host_text().to_owned(),
            port: uri.port(),
            rest: String::from_utf8(uri.views().next().unwrap().rest().to_vec()).unwrap(),
        }),
        Err(fault) => Err(fault.word()),
    }
}

/// A URI in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    scheme: String,
    host: String,
    port: u16,
    rest: String,
}

impl Parts {
    fn shown(&self) -> String {
        format!("{}://{}:{}{}", self.scheme, self.host, self.port, self.rest)
    }
}
