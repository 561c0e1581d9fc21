//! Runs a sops process: what it gets on its stdin, and what it prints.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use rustix::io::{FdFlags, fcntl_setfd};
use zeroize::Zeroizing;

use super::{Sops, SopsError};
use crate::core::signals::{Watch, WatchOutcome};

/// Held for writing while a file is open to be inherited, so that no other sops gets it.
static STARTING: RwLock<()> = RwLock::new(());

/// A process and its input.
pub(super) struct SopsProcess<'a> {
    pub(super) command: Command,
    /// What it reads from its stdin.
    pub(super) input: &'a [u8],
    /// A file that it gets beside its stdin, stdout and stderr, under the same number.
    pub(super) inherited: Option<&'a File>,
}

impl Sops {
    /// Runs sops with `input` on its stdin.
    pub(super) fn output(&self, command: Command, input: &[u8]) -> Result<Output, SopsError> {
        let process = SopsProcess {
            command,
            input,
            inherited: None,
        };
        self.run(process, None)
    }

    /// Runs sops until it ends or, where someone watches, kb is to stop.
    pub(super) fn run(
        &self,
        process: SopsProcess<'_>,
        watch: Option<&mut Watch>,
    ) -> Result<Output, SopsError> {
        match run(process, watch) {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(SopsError::Stopped),
            Err(source) => Err(self.start_error(source)),
        }
    }
}

/// `None` if kb is to stop.
fn run(mut process: SopsProcess<'_>, watch: Option<&mut Watch>) -> io::Result<Option<Output>> {
    if !process.input.is_empty() {
        process.command.stdin(Stdio::piped());
    }
    let mut child = start(&mut process)?;
    let ended = communicate(&mut child, process.input, watch);
    if !matches!(ended, Ok(Some(_))) {
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

fn start(process: &mut SopsProcess<'_>) -> io::Result<Child> {
    let Some(file) = process.inherited else {
        let _shared = STARTING.read().unwrap_or_else(PoisonError::into_inner);
        return process.command.spawn();
    };
    let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    fcntl_setfd(file, FdFlags::empty())?;
    let child = process.command.spawn();
    fcntl_setfd(file, FdFlags::CLOEXEC)?;
    child
}

/// Both sides could wait for each other, if one thread wrote and read. A thread is left to
/// itself where kb is to stop: a program below sops may hold its pipe.
fn communicate(
    child: &mut Child,
    input: &[u8],
    watch: Option<&mut Watch>,
) -> io::Result<Option<Output>> {
    if let Some(mut stdin) = child.stdin.take() {
        // It may be a plaintext.
        let input = Zeroizing::new(input.to_vec());
        // One that ends before it has read all says why by its exit code.
        let feed = move || drop(stdin.write_all(&input));
        thread::Builder::new().spawn(feed)?;
    }
    let stdout = collect(child.stdout.take())?;
    let stderr = collect(child.stderr.take())?;
    let status = match watch {
        None => child.wait()?,
        Some(watch) => match watch.wait(child)? {
            WatchOutcome::Ended(status) => status,
            WatchOutcome::Stop => return Ok(None),
        },
    };
    Ok(Some(Output {
        status,
        stdout: joined(stdout)?,
        stderr: joined(stderr)?,
    }))
}

type Collecting = JoinHandle<io::Result<Vec<u8>>>;

fn collect(stream: Option<impl Read + Send + 'static>) -> io::Result<Collecting> {
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

fn joined(collecting: Collecting) -> io::Result<Vec<u8>> {
    let failed = |_| io::Error::other("a thread that read from sops failed");
    collecting.join().map_err(failed)?
}
