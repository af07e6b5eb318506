//! Lists of users: a file of names to a set, and the set's own file.
//!
//! One name a line, as the proxy says it; names are compared byte by byte, so that upper and lower case,
//! `DOMAIN\user` and `user@REALM` are what they are. White space around a name and comments (`#` at the
//! start of a line, or after white space) do not count.

use crate::digest::Digest;
use crate::lists::{ListFault, ListReport, RefusedLine, lines, unpack};

/// The most bytes of a user's name: more than any directory has.
pub const USER_BYTES_MAX: usize = 256;

/// The first words of the file form.
const MAGIC: &str = "enforcegate-users 1 ";

/// Names of users, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserList {
    names: Vec<String>,
}

impl UserList {
    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.names.len()).unwrap_or(u64::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether this name is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|own| own.as_str().cmp(name)).is_ok()
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The file form: a line with the number of names, then a name a line.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = format!("{MAGIC}{}\n", self.names.len());
        for name in &self.names {
            file.push_str(name);
            file.push('\n');
        }
        file.into_bytes()
    }

    /// Reads the file form.
    ///
    /// # Errors
    ///
    /// [`ListFault::NotASet`] where it is not exactly what [`to_file`](Self::to_file) writes.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ListFault> {
        let text = std::str::from_utf8(bytes).ok();
        let rest = text.and_then(|text| text.strip_prefix(MAGIC)?.split_once('\n'));
        let (_, rest) = rest.ok_or(ListFault::NotASet { reason: "it begins otherwise" })?;
        let list = Self { names: rest.split_terminator('\n').map(str::to_owned).collect() };
        let is_sound = list.names.iter().all(|name| entry(name).is_ok_and(|own| own == Some(name)));
        if !is_sound
            || !list.names.is_sorted_by(|one, other| one < other)
            || list.to_file() != bytes
        {
            return Err(ListFault::NotASet { reason: "it is cut short or not sorted" });
        }
        Ok(list)
    }

    /// The digest of the file form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_file())
    }
}

/// The users of a list file, plain, gzip or zstd.
///
/// # Errors
///
/// [`ListFault`]; a single bad line is in the report instead, unless nothing else is there.
pub fn read_users(bytes: &[u8]) -> Result<(UserList, ListReport), ListFault> {
    let bytes = unpack(bytes)?;
    let (mut names, mut report) = (Vec::new(), ListReport::default());
    for line in lines(&bytes) {
        report.lines = report.lines.saturating_add(1);
        match std::str::from_utf8(line).map_err(|_| RefusedLine::NotText).and_then(entry) {
            Ok(Some(name)) => names.push(name.to_owned()),
            Ok(None) => {}
            Err(reason) => report.refuse(report.lines, reason),
        }
    }
    let read = u64::try_from(names.len()).unwrap_or(u64::MAX);
    names.sort_unstable();
    names.dedup();
    let list = UserList { names };
    if list.is_empty() && report.refused_count > 0 {
        return Err(report.nothing_usable());
    }
    report.accepted = list.len();
    report.duplicates = read.saturating_sub(report.accepted);
    Ok((list, report))
}

/// The name in a line, if there is one.
fn entry(line: &str) -> Result<Option<&str>, RefusedLine> {
    let line = line.trim();
    let comment = match line.starts_with('#') {
        true => Some(0),
        false => [line.find(" #"), line.find("\t#")].into_iter().flatten().min(),
    };
    let name = comment.and_then(|at| line.get(..at)).unwrap_or(line).trim_end();
    if name.is_empty() {
        Ok(None)
    } else if name.len() > USER_BYTES_MAX {
        Err(RefusedLine::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(RefusedLine::Control)
    } else {
        Ok(Some(name))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_list_has_a_name_a_line() {
        let text = b"\xef\xbb\xbfada\r\n  Ada  # the other\n# bob\n\nDOMAIN\\eve\neve@REALM\nJohn Smith\nada\n\
                     a#b\nx\t# y # z\n";
        let (list, report) = read_users(text).unwrap();
        let expected = ["Ada", "DOMAIN\\eve", "John Smith", "a#b", "ada", "eve@REALM", "x"];
        assert_eq!(list.iter().collect::<Vec<_>>(), expected);
        assert_eq!((report.lines, report.accepted, report.duplicates), (10, 7, 1));
        assert_eq!(UserList::from_file(&list.to_file()).unwrap(), list);
        assert_eq!(read_users(b"").unwrap().1.lines, 0);
    }

    #[test]
    fn a_line_that_is_no_name_is_reported() {
        let text = [b"a\nb\0c\n\xff\n".to_vec(), "x".repeat(257).into_bytes()].concat();
        let (list, report) = read_users(&text).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["a"]);
        let expected =
            [(2, RefusedLine::Control), (3, RefusedLine::NotText), (4, RefusedLine::TooLong)];
        assert_eq!(report.refused, expected);
        assert_eq!(report.reasons, expected.map(|(_, reason)| (reason, 1)));
    }

    #[test]
    fn a_list_without_a_usable_name_is_a_fault_and_a_packed_one_is_unpacked() {
        for text in [b"\xff\n\xfe\n".as_slice(), b"# c\n\0\n"] {
            let fault = read_users(text).unwrap_err();
            assert!(matches!(fault, ListFault::NothingUsable { lines: 2, .. }), "{fault}");
        }
        for nobody in [b"".as_slice(), b"# nobody\n", b"\xef\xbb\xbf\n"] {
            assert!(read_users(nobody).unwrap().0.is_empty());
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(b"\xef\xbb\xbfada\r\neve\n").unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(read_users(&packed).unwrap().0.iter().collect::<Vec<_>>(), ["ada", "eve"]);
        assert!(matches!(read_users(&packed[..20]), Err(ListFault::Gzip(_))));
    }

    #[test]
    fn only_its_own_files_are_read() {
        for bytes in [
            "",
            "enforcegate-users 1 1\n",
            "enforcegate-users 1 2\na\na\n",
            "enforcegate-users 1 2\nb\na\n",
            "enforcegate-users 1 1\na",
            "enforcegate-users 1 1\n a\n",
            "enforcegate-users 1 1\n#a\n",
            "enforcegate-users 2 1\na\n",
            "enforcegate-users 1 01\na\n",
        ] {
            assert!(UserList::from_file(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
        let list = UserList::from_file(b"enforcegate-users 1 1\na\n").unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), ["a"]);
    }
}
