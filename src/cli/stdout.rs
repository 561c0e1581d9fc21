//! Writes what was asked for to stdout. Nothing else in kb does.
//!
//! What goes there is a private key or plaintext, and rule 2 is that neither
//! touches a disk. So a stdout that is a file is looked at before anything is
//! done: one on a disk is a warning, one in a repository is refused.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one writer to stdout"
)]

use std::io;
use std::path::{Path, PathBuf};

use anstream::AutoStream;
use anstream::adapter::strip_str;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::io::Errno;
use serde::Serialize;

use super::failure::Failure;
use super::report::Report;
use crate::cli::message::Hint;
use crate::core::disk;
use crate::core::repository;

const ELSEWHERE: &str = "pipe it to the program that needs it, or write to a file in /dev/shm";

/// Where the answer goes.
pub struct Stdout {
    was_closed: bool,
}

/// What stdout is, as far as rule 2 is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A terminal, a pipe, a device, or a file in memory.
    Fine,
    /// A file on a disk, and its name where the system tells it.
    OnDisk(Option<PathBuf>),
}

impl Stdout {
    /// `was_closed`: whether it was closed when kb was started.
    pub fn new(was_closed: bool) -> Self {
        Self { was_closed }
    }

    /// Checks that a secret may be written there. `what` is what it is, as in
    /// "the plaintext".
    ///
    /// # Errors
    /// When stdout is closed, or is a file in a repository, where it would be
    /// committed one day.
    pub fn check_for_secret(
        &self,
        what: &str,
        allow_disk: bool,
        report: &Report,
    ) -> Result<(), Failure> {
        self.check_open(what)?;
        let Kind::OnDisk(path) = kind() else {
            return Ok(());
        };
        let name = path
            .as_deref()
            .map_or("a file on a disk".to_owned(), |path| {
                path.display().to_string()
            });
        let directory = path.as_deref().and_then(Path::parent);
        let committed = directory.and_then(repository::root).is_some();
        if committed && !allow_disk {
            return Err(Failure::new(format!(
                "stdout is {name}: {what} would be in a repository, where it can be committed by mistake"
            ))
            .hint(ELSEWHERE)
            .hint("--allow-disk writes it there all the same"));
        }
        report.warning(
            &format!("stdout is {name}: {what} will be on a disk"),
            Some(&Hint::Text(ELSEWHERE.to_owned())),
        );
        Ok(())
    }

    /// Checks that something may be written there that is no secret.
    ///
    /// # Errors
    /// When stdout is closed.
    pub fn check_open(&self, what: &str) -> Result<(), Failure> {
        if !self.was_closed {
            return Ok(());
        }
        Err(Failure::new(format!(
            "stdout is closed or not open for writing, and {what} would go there"
        ))
        .hint("leave stdout open, or redirect it to a pipe"))
    }

    /// Writes an answer for machines, spread over lines so that people can read it as
    /// well. `what` is what it is.
    ///
    /// # Errors
    /// When stdout does not take it.
    pub fn write_json(&self, what: &str, value: &impl Serialize) -> Result<(), Failure> {
        // Strings, lists and numbers cannot fail.
        let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
        text.push('\n');
        let written = self.write(text.as_bytes());
        written.map_err(|error| Failure::stdout(what, &error))
    }

    /// Writes text with styles, which stay only where `color` allows them.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn write_styled(&self, text: &str, color: clap::ColorChoice) -> io::Result<()> {
        let is_styled = match color {
            clap::ColorChoice::Always => true,
            clap::ColorChoice::Never => false,
            clap::ColorChoice::Auto => {
                AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
            }
        };
        match is_styled {
            true => self.write(text.as_bytes()),
            false => self.write(strip_str(text).to_string().as_bytes()),
        }
    }

    /// Writes a private key, and a line end behind it: no copy of the key is made.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn write_key(&self, key: &str) -> io::Result<()> {
        self.write(key.as_bytes())?;
        self.write(b"\n")
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When the reader is gone, or the disk is full.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // The standard library's stdout takes a bad descriptor for a success.
        let stdout = rustix::stdio::stdout();
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(stdout, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                // A pipe that its other end has made non-blocking.
                Err(Errno::AGAIN) => {
                    rustix::event::poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], None)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

fn kind() -> Kind {
    let stdout = rustix::stdio::stdout();
    let Ok(stat) = rustix::fs::fstat(stdout) else {
        return Kind::Fine;
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Kind::Fine;
    }
    if disk::in_memory(stdout).unwrap_or(false) {
        return Kind::Fine;
    }
    Kind::OnDisk(path_of_stdout())
}

#[cfg(target_os = "linux")]
fn path_of_stdout() -> Option<PathBuf> {
    std::fs::read_link("/proc/self/fd/1").ok()
}

#[cfg(target_vendor = "apple")]
fn path_of_stdout() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let path = rustix::fs::getpath(rustix::stdio::stdout()).ok()?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(
        path.into_bytes(),
    )))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn path_of_stdout() -> Option<PathBuf> {
    None
}
