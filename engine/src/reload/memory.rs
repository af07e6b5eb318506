//! Whether a new ruleset fits beside the old one: an estimate before it is built, against what the
//! process may have.
//!
//! The old ruleset serves until the new one is swapped in, so both are there for a while, and the new
//! one takes more while it is made than once it is there. A process that goes past its bound is killed
//! by the system in the middle of serving; a reload that would is refused before anything is changed.

use std::fs;
use std::path::{Path, PathBuf};

use eg_policy::check::ListKind;
use eg_policy::compile::{CompiledList, CompiledPolicy};

use super::lists::set_kind;
use crate::store::SetFiles;

/// Bytes that one name takes while the index is made: an entry of 32 bytes that is sorted.
const NAME_WORK_BYTES: u64 = 32;

/// Bytes that one name takes in the index beside its text: 64 / 5 of buckets, and 3 of its record.
const NAME_INDEX_BYTES: u64 = 16;

/// Bytes that one rule takes: its own values, its plan, and its part of the tables. Measured at 10,000
/// rules of one host each, rounded up.
const RULE_BYTES: u64 = 4096;

/// Of the memory that there is, the share that the engine may have, in percent, where no setting says
/// otherwise: what is left is for the system, its caches of files and everybody else.
pub(super) const SHARE_PERCENT: u64 = 80;

/// The folder of the control groups, version 2.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What a reload was thought to take, against what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// What the process had before, in bytes.
    pub resident: u64,
    /// What making the new ruleset takes at most beside that, in bytes.
    pub estimate: u64,
    /// What the process may have, in bytes; `None` where the system does not say.
    pub limit: Option<u64>,
}

impl Memory {
    /// Whether there is room.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.limit.is_none_or(|limit| self.resident.saturating_add(self.estimate) <= limit)
    }
}

/// What has to be made of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// The index of all names too.
    Index,
    /// Everything but the index, which is there.
    Rules,
}

/// Looks whether the ruleset of `policy` fits beside what is there; `megabytes` is the setting.
pub(super) fn look(
    policy: &CompiledPolicy,
    (sets, parsed): (&SetFiles, impl Fn(&CompiledList) -> Option<u64>),
    making: Making,
    megabytes: Option<u64>,
) -> Memory {
    let resident = resident().unwrap_or(0);
    let estimate = estimate(policy, making, |list| match parsed(list) {
        Some(bytes) => Text { bytes, there: true },
        None => {
            let path = sets.path(set_kind(list.kind), list.set);
            Text { bytes: fs::metadata(path).map_or(0, |found| found.len()), there: false }
        }
    });
    let limit = megabytes.map(|megabytes| megabytes.saturating_mul(1 << 20));
    Memory { resident, estimate, limit: limit.or_else(|| default_limit(resident)) }
}

/// The text of a list's entries.
#[derive(Debug, Clone, Copy)]
struct Text {
    bytes: u64,
    /// Whether it is in memory already.
    there: bool,
}

/// What making takes at most, from the numbers of entries and the sizes of their texts.
fn estimate(policy: &CompiledPolicy, making: Making, text: impl Fn(&CompiledList) -> Text) -> u64 {
    let rules = (policy.rules.len() as u64).saturating_mul(RULE_BYTES);
    match making {
        Making::Rules => rules,
        Making::Index => {
            let mut bytes = rules;
            // A set is read whole before it is parsed, one after the other.
            let mut largest = 0;
            // URLs are entries of the index too, each with the text of its host and its path.
            let indexed = [ListKind::Domains, ListKind::Urls];
            for list in policy.lists.iter().filter(|list| indexed.contains(&list.kind)) {
                let found = text(list);
                let each = NAME_WORK_BYTES + NAME_INDEX_BYTES;
                bytes = bytes
                    .saturating_add(list.entries.saturating_mul(each))
                    .saturating_add(found.bytes);
                if !found.there {
                    bytes = bytes.saturating_add(found.bytes);
                    largest = largest.max(found.bytes);
                }
            }
            bytes.saturating_add(largest)
        }
    }
}

/// What this process has in memory, in bytes.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&text, "VmRSS:")
}

/// What the process may have where no setting says so: a share of the group's bound, and what it has
/// with a share of what the machine could still give; the lower of both.
fn default_limit(resident: u64) -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let group = group.and_then(|text| group_limit(&text, Path::new(CGROUPS)));
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kilobytes(&text, "MemAvailable:"));
    let machine = machine.map(|available| resident.saturating_add(share(available)));
    [group.map(share), machine].into_iter().flatten().min()
}

fn share(bytes: u64) -> u64 {
    bytes / 100 * SHARE_PERCENT
}

/// The lowest `memory.max` of the group that `/proc/self/cgroup` names and of those around it.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let own = root.join(own.trim_start_matches('/'));
    let around: Vec<PathBuf> =
        own.ancestors().take_while(|path| path.starts_with(root)).map(Path::to_path_buf).collect();
    let limits = around.iter().filter_map(|path| {
        // The word `max` is no number: there is no bound.
        fs::read_to_string(path.join("memory.max")).ok()?.trim().parse::<u64>().ok()
    });
    limits.min()
}

/// A line of `/proc` such as `VmRSS:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_a_group_around_holds_too() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a/b");
        fs::create_dir_all(&own).unwrap();
        let found = || group_limit("1:name=x:/c\n0::/a/b\n", root.path());
        assert_eq!(found(), None);
        fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(found(), None);
        fs::write(root.path().join("a/memory.max"), "4096\n").unwrap();
        assert_eq!(found(), Some(4096));
        fs::write(own.join("memory.max"), "8192\n").unwrap();
        assert_eq!(found(), Some(4096));
        fs::write(own.join("memory.max"), "1024\n").unwrap();
        assert_eq!(found(), Some(1024));
        assert_eq!(group_limit("12:memory:/a\n", root.path()), None, "version 1 is not read");
        assert_eq!(group_limit("0::/\n", root.path()), None);
    }

    #[test]
    fn lines_of_proc() {
        let text = "Name:\tx\nVmRSS:\t  12 kB\nVmSwap:\t0 kB\nVmData:\t12\n";
        assert_eq!(kilobytes(text, "VmRSS:"), Some(12 * 1024));
        assert_eq!(kilobytes(text, "VmData:"), None);
        assert_eq!(kilobytes(text, "VmHWM:"), None);
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
        assert!(default_limit(0).is_some());
    }

    #[test]
    fn there_is_room_up_to_the_bound() {
        let memory = |limit| Memory { resident: 60, estimate: 40, limit };
        assert!(memory(None).fits() && memory(Some(100)).fits() && !memory(Some(99)).fits());
        assert!(!Memory { resident: 1, estimate: u64::MAX, limit: Some(u64::MAX - 1) }.fits());
    }
}
