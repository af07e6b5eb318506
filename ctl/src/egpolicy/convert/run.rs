//! A whole conversion: read, translate, write a folder that was not there before.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::draft::Draft;
use super::input::Input;
use super::report::{Effect, Fault, Place, Report};
use super::squidguard::{self, CONF_BYTES_MAX, Dialect};
use super::write::{Origin, losses_json, losses_markdown, policy};
use super::{adblock, e2guardian, hosts};
use crate::render::Format;

/// What is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// `squidGuard.conf`
    SquidGuard,
    /// `ufdbGuard.conf`
    UfdbGuard,
    /// A folder of e2guardian's lists.
    E2guardian,
    /// A hosts file.
    Hosts,
    /// A list of an ad blocker.
    Adblock,
}

impl From {
    /// As the command line says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SquidGuard => "squidguard",
            Self::UfdbGuard => "ufdbguard",
            Self::E2guardian => "e2guardian",
            Self::Hosts => "hosts",
            Self::Adblock => "adblock",
        }
    }
}

/// What depends on where and when a conversion runs.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The zone that dates are meant in.
    pub zone: TimeZone,
    /// This year: dates that come back are written out from it on.
    pub year: i16,
}

impl Setting {
    /// UTC, and a year of the caller's choice.
    #[must_use]
    pub const fn utc(year: i16) -> Self {
        Self { zone: TimeZone::UTC, year }
    }

    /// This machine's zone, this year.
    #[must_use]
    pub fn here() -> Self {
        let now = jiff::Zoned::now();
        Self { zone: now.time_zone().clone(), year: now.year() }
    }
}

/// A conversion, before it is written.
#[derive(Debug)]
pub struct Converted {
    /// What was read.
    pub origin: Origin,
    /// The name of the policy file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Lists, and the report.
    pub draft: Draft,
}

/// Converts, and writes nothing.
///
/// # Errors
///
/// Every [`Fault`] of the input.
pub fn convert(
    from: From,
    path: &Path,
    input: &dyn Input,
    setting: &Setting,
) -> Result<Converted, Vec<Fault>> {
    let shown = path.display().to_string();
    let origin = Origin { format: from.as_str(), input: shown.clone() };
    let (draft, faults) = match from {
        From::SquidGuard => configuration(&shown, Dialect::SquidGuard, input, setting),
        From::UfdbGuard => configuration(&shown, Dialect::UfdbGuard, input, setting),
        From::E2guardian => e2guardian::draft(path, input),
        From::Hosts => hosts::draft(path, input),
        From::Adblock => adblock::draft(path, input),
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let text = policy(&draft, &origin, &setting.zone).map_err(|fault| vec![fault])?;
    Ok(Converted { origin, file: format!("50-{}.policy", from.as_str()), text, draft })
}

fn configuration(
    shown: &str,
    dialect: Dialect,
    input: &dyn Input,
    setting: &Setting,
) -> (Draft, Vec<Fault>) {
    let failed =
        |what: String| (Draft::default(), vec![Fault { place: Place::new(shown, 0), what }]);
    let bytes = match input.read(Path::new(shown)) {
        Ok(bytes) => bytes,
        Err(why) => return failed(format!("cannot be read: {why}")),
    };
    if bytes.len() > CONF_BYTES_MAX {
        return failed(format!("larger than {CONF_BYTES_MAX} bytes: not a configuration file"));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return failed("not UTF-8; write it anew with `iconv -f latin1 -t utf8`".to_owned());
    };
    let (conf, faults) = squidguard::parse(shown, &text, dialect, setting.year);
    if !faults.is_empty() {
        return (Draft::default(), faults);
    }
    squidguard::translate(shown, &conf, dialect, input)
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// There is something already.
    #[error("`{}` is not an empty folder; name one that is not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// It is named by where it is.
    #[error("`{}` has no name of its own; name the folder by its path", .0.display())]
    NoName(PathBuf),
    /// The file system said no.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// Writes the policy, its lists and the report into a folder, whole or not at all.
///
/// It is made beside, under a name that nobody else has: a folder or link that is there already is
/// refused, so that in a folder of everybody's, such as `/tmp`, no link of somebody else is followed.
///
/// # Errors
///
/// [`WriteFault`]; the folder is as it was then.
pub fn write(converted: &Converted, out: &Path, format: Format) -> Result<(), WriteFault> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| WriteFault::Write { path, source }
    };
    match fs::symlink_metadata(out) {
        // What is not there cannot be looked into, and what cannot be looked into is not empty.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(found) if found.is_dir() && is_empty(out) => {}
        Ok(_) | Err(_) => return Err(WriteFault::NotEmpty(out.to_path_buf())),
    }
    // `.` and `..` have no name that another folder could take.
    let Some(name) = out.file_name() else {
        return Err(WriteFault::NoName(out.to_path_buf()));
    };
    let mut name = name.to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = out.with_file_name(name);
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    fs::create_dir(&beside).map_err(failed(&beside))?;
    let written = fill(converted, &beside, format)
        .and_then(|()| fs::rename(&beside, out).map_err(failed(out)));
    if written.is_err() {
        // The first fault is the one to report.
        let _ = fs::remove_dir_all(&beside);
    }
    written
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn fill(converted: &Converted, folder: &Path, format: Format) -> Result<(), WriteFault> {
    let put = |path: PathBuf, bytes: &[u8]| {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| File::create_new(&path)?.write_all(bytes))
            .map_err(|source| WriteFault::Write { path, source })
    };
    put(folder.join(&converted.file), converted.text.as_bytes())?;
    for list in &converted.draft.lists {
        put(folder.join(&list.path), &list.bytes)?;
    }
    let Converted { origin, draft: Draft { report, .. }, .. } = converted;
    match format {
        Format::Text => put(folder.join("LOSSES.md"), losses_markdown(report, origin).as_bytes()),
        Format::Json => {
            let text = format!("{:#}\n", losses_json(report, origin));
            put(folder.join("LOSSES.json"), text.as_bytes())
        }
    }
}

/// Whether anything was lost.
#[must_use]
pub fn is_lossless(report: &Report) -> bool {
    report.counts().keys().all(|(kind, _)| kind.effect() == Effect::Nothing)
}
