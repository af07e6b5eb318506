//! A reload on a full disk, and one whose folder lets nobody write: the engine goes on with its policy and
//! says why, the store stays whole, and the next reload succeeds once there is room.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use eg_tests::folder;
use eg_tests::shared;
use eg_tests::small_disk::SmallDisk;

use crate::swapped::Swapped;

/// A store with two revisions of these lists fits twice.
const DISK_MIB: u32 = 24;
const LISTS: usize = 3;
const NAMES: usize = 20_000;

/// Room left on the disk: nothing, less than one list takes, the lists but no index, all but the store's
/// log and a checkpoint.
const ROOMS: [u64; 6] = [0, 4 << 10, 256 << 10, 1 << 20, 2 << 20, 3 << 20];

/// An engine whose store lies on a small disk; `None` where there can be none.
fn stage(test: &str) -> Result<Option<(Swapped, SmallDisk)>> {
    let mut stage = Swapped::prepare(LISTS, NAMES)?;
    let installation = &mut stage.installation;
    installation.change_engine("\"engine.db\"", "\"state/engine.db\"")?;
    let state = installation.path("engine/state");
    folder::make(&state)?;
    let Some(disk) = SmallDisk::mount(&state, DISK_MIB)? else {
        shared::skip(test, "no file system can be mounted here (root can, in a mount namespace)");
        return Ok(None);
    };
    let entry = installation.path("bin/engine-on-a-small-disk");
    disk.write_entry(&entry, &installation.programs().engine)?;
    installation.run_engine_by(entry);
    installation.start_engine()?;
    Ok(Some((stage, disk)))
}

/// That nothing is left of what could not be written.
fn ensure_no_rest(disk: &SmallDisk) -> Result<()> {
    for entry in fs::read_dir(disk.inside().join("sets"))? {
        let name = entry?.file_name();
        ensure!(!name.to_string_lossy().ends_with(".new"), "{name:?} was never finished");
    }
    Ok(())
}

#[test]
fn a_full_disk_changes_nothing() -> Result<()> {
    let Some((mut stage, disk)) = stage("store_faults::a_full_disk_changes_nothing")? else {
        return Ok(());
    };
    let mut refused = 0;
    for room in ROOMS {
        let old = stage.weeks.now();
        disk.fill(room)?;
        stage.weeks.swap()?;
        match stage.installation.reload_engine() {
            // There was room enough.
            Ok(_) => ensure!(stage.live()? == stage.weeks.now(), "{room} bytes: it is live"),
            Err(fault) => {
                refused += 1;
                let said = format!("{fault:#}");
                ensure!(said.contains("did not reload"), "{room} bytes: {said}");
                ensure!(stage.live()? == old, "{room} bytes: the old policy stays");
                ensure_no_rest(&disk)?;
                // A killed engine finds its store as it was, on the disk that is still full.
                stage.installation.engine()?.kill()?;
                stage.installation.start_engine().with_context(|| format!("{room} bytes"))?;
                ensure!(stage.live()? == old, "{room} bytes: the old policy comes back");
            }
        }
        disk.empty()?;
        stage.installation.reload_engine().with_context(|| format!("{room} bytes"))?;
        ensure!(stage.live()? == stage.weeks.now(), "{room} bytes: with room it goes live");
    }
    ensure!(refused >= 3, "the disk was full for {refused} reloads only");
    stage.installation.stop()
}

#[test]
fn a_folder_that_lets_nobody_write_changes_nothing() -> Result<()> {
    let test = "store_faults::a_folder_that_lets_nobody_write_changes_nothing";
    let Some((mut stage, disk)) = stage(test)? else { return Ok(()) };
    let old = stage.weeks.now();
    disk.make_read_only()?;
    stage.weeks.swap()?;
    let refused = stage.installation.reload_engine();
    let said = refused.err().map(|fault| format!("{fault:#}")).unwrap_or_default();
    ensure!(said.contains("did not reload"), "it reloads all the same: {said}");
    ensure!(said.contains("Read-only file system"), "it says why: {said}");
    ensure!(stage.live()? == old, "the old policy stays");
    disk.make_writable()?;
    stage.installation.reload_engine()?;
    ensure!(stage.live()? == stage.weeks.now(), "it goes live");
    stage.installation.stop()
}
