//! What the kernel says of this process (proc(5)).

use std::fs;
use std::io;

use eg_proto::control::system::ThreadRow;
use nix::unistd::{SysconfVar, sysconf};

/// Threads that are shown at most; the engine has some tens.
const THREADS_MAX: usize = 4096;

/// Bytes of this process in memory.
pub(super) fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The threads of this process, oldest first.
pub(super) fn threads() -> io::Result<Vec<ThreadRow>> {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    let ticks = ticks.and_then(|ticks| u64::try_from(ticks).ok()).filter(|ticks| *ticks > 0);
    // What it is on every Linux system.
    let ticks = ticks.unwrap_or(100);
    let mut threads = Vec::new();
    for thread in fs::read_dir("/proc/self/task")?.take(THREADS_MAX) {
        // One that has ended meanwhile is not there any more.
        if let Ok(text) = fs::read_to_string(thread?.path().join("stat"))
            && let Some(row) = row_of(&text, ticks)
        {
            threads.push(row);
        }
    }
    threads.sort_by_key(|thread| thread.id);
    Ok(threads)
}

/// A line of `stat`. The name stands in brackets and may hold any character, so that the last bracket
/// ends it.
fn row_of(text: &str, ticks: u64) -> Option<ThreadRow> {
    let (id, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Numbered as in proc(5), where the state is field 3.
    let field = |number: usize| fields.get(number - 3).copied();
    let number = |at: usize| field(at).and_then(|text| text.parse::<u64>().ok());
    let spent = number(14)?.saturating_add(number(15)?);
    Some(ThreadRow {
        id: id.parse().ok()?,
        name: name.to_owned(),
        state: field(3)?.to_owned(),
        cpu_ms: spent.saturating_mul(1000) / ticks,
        processor: number(39)?.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_read_whatever_it_is_called() {
        let numbers: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let line = |name: &str| format!("77 ({name}) S {}\n", numbers.join(" "));
        for name in ["defendr-0", "a) R (b", "", ")"] {
            let row = row_of(&line(name), 100).unwrap();
            assert_eq!((row.id, row.name.as_str(), row.state.as_str()), (77, name, "S"));
            assert_eq!((row.cpu_ms, row.processor), ((14 + 15) * 10, 39));
        }
        for bad in ["", "77", "77 (a", "77 (a) S", "x (a) S 1 2 3", "77 (a) S 4 5 6 7"] {
            assert_eq!(row_of(bad, 100), None, "{bad}");
        }
    }

    #[test]
    fn this_process_has_threads_and_memory() {
        let (said, waits) = std::sync::mpsc::sync_channel::<()>(0);
        let other = std::thread::Builder::new().name("one-of-ours".to_owned());
        let other = other
            .spawn(move || {
                // A thread gives itself its name before it does anything else.
                let _ = waits.recv();
                let _ = waits.recv();
            })
            .unwrap();
        said.send(()).unwrap();
        let found = threads().unwrap();
        assert!(found.iter().any(|row| row.name == "one-of-ours"), "{found:?}");
        assert!(found.iter().any(|row| row.id == std::process::id()));
        drop(said);
        other.join().unwrap();
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
