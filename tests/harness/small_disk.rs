//! A file system of a few megabytes for one folder, in a mount namespace of its own: it can be filled and
//! made read-only under a running engine, and goes away by itself.
//!
//! It takes root, or a system that lets one be root in a namespace; where there is neither, a test says so
//! and is left out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{folder, wait};

/// The namespace, held by a process that waits.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `mib` MiB on `folder`, which is there; `None` where the system does not let us.
    ///
    /// # Errors
    ///
    /// If the folder is none, or the holder cannot be started.
    pub fn mount(folder: &Path, mib: u32) -> Result<Option<Self>> {
        ensure!(folder.is_dir(), "`{}` is no folder", folder.display());
        let script =
            format!("mount -t tmpfs -o size={mib}m,mode=700 tmpfs \"$0\" && exec sleep 3600");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(folder);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(holder) = quiet.spawn() else { return Ok(None) };
        let mut disk = Self { holder, folder: folder.to_path_buf() };
        let mounted = wait::until("the small disk", Duration::from_secs(5), || {
            if disk.holder.try_wait()?.is_some() {
                return Ok(Some(false));
            }
            let mounts = format!("/proc/{}/mounts", disk.holder.id());
            let mounts = fs::read_to_string(mounts).unwrap_or_default();
            let place = folder.display().to_string();
            Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(&place)).then_some(true))
        })?;
        Ok(mounted.then_some(disk))
    }

    /// The folder as it is inside, for those who are outside.
    #[must_use]
    pub fn inside(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").unwrap_or(&self.folder))
    }

    /// Writes a program at `path` that runs `program` inside.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_entry(&self, path: &Path, program: &Path) -> Result<()> {
        let (holder, program) = (self.holder.id(), program.display());
        let text =
            format!("#!/bin/sh\nexec nsenter --mount=/proc/{holder}/ns/mnt '{program}' \"$@\"\n");
        folder::write(path, &text, 0o755)
    }

    /// Fills it until `room` bytes are left.
    ///
    /// # Errors
    ///
    /// If it cannot be filled so far.
    pub fn fill(&self, room: u64) -> Result<()> {
        let facts = nix::sys::statvfs::statvfs(&self.inside())?;
        let free = facts.blocks_available() * facts.fragment_size();
        let filling = free.checked_sub(room).context("less is free than is to be left")?;
        let mut file = fs::File::create(self.filler())?;
        std::io::copy(&mut std::io::Read::take(std::io::repeat(1), filling), &mut file)?;
        Ok(file.flush()?)
    }

    /// Gives the room back.
    ///
    /// # Errors
    ///
    /// If it cannot be had.
    pub fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.inside().join("filler")
    }

    /// Lets nobody write below the folder any more who opens files anew.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn make_read_only(&self) -> Result<()> {
        self.run("mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"")
    }

    /// Takes that back.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn make_writable(&self) -> Result<()> {
        self.run("umount \"$0\"")
    }

    fn run(&self, script: &str) -> Result<()> {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        let mut command = Command::new("nsenter");
        let status = command.args([&namespace, "sh", "-c", script]).arg(&self.folder).status()?;
        ensure!(status.success(), "`{script}` ended with {status}");
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}
