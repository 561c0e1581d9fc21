//! Reads files whose names come from a repository, a config or a command line.
//!
//! Behind such a name can be anything. A pipe, a device, and some files of the kernel's own
//! file systems, such as `/proc/kmsg`, can be waited for without end, and others never end.
//! So only regular files of other file systems are read, and only as far as they are asked
//! for.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

/// The largest `.sops.yaml`, kustomization or kubeconfig that is read, in bytes.
pub const LARGEST_CONFIG: u64 = 16 << 20;

/// Opens a regular file of at most `most` bytes.
///
/// # Errors
/// When it is none, or cannot be opened; [`ErrorKind::FileTooLarge`].
pub fn open(path: &Path, most: u64) -> io::Result<File> {
    check_kind(&std::fs::metadata(path)?)?;
    Ok(open_with_length(path, most)?.0)
}

/// The content of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`], and when it cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // To open a device can already do something; a file can be exchanged meanwhile.
    check_kind(&std::fs::metadata(path)?)?;
    read_opened(path, most)
}

/// The content of a regular file of at most `most` bytes; `None` if the path leads to
/// something else, such as a link.
///
/// # Errors
/// As [`read`].
pub fn read_unless_other(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match path.symlink_metadata()?.is_file() {
        true => read_opened(path, most).map(Some),
        false => Ok(None),
    }
}

fn read_opened(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open_with_length(path, most)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    // It may have grown.
    file.take(most + 1).read_to_end(&mut bytes)?;
    check_length(bytes.len() as u64, most)?;
    Ok(bytes)
}

/// The file, and its length in bytes.
fn open_with_length(path: &Path, most: u64) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    check_kind(&found)?;
    check_file_system(&file, &found)?;
    check_length(found.len(), most)?;
    Ok((file, found.len()))
}

fn check_kind(found: &std::fs::Metadata) -> io::Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is a directory, a pipe or a device")),
    }
}

/// Checks that a file of so many bytes is not larger than `most`.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`]
pub fn check_length(length: u64, most: u64) -> io::Result<()> {
    if length > most {
        let text = format!("it is larger than {} MiB", most >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn check_file_system(file: &File, found: &std::fs::Metadata) -> io::Result<()> {
    /// The device of a file that was let through: most files are on one.
    static USUAL: AtomicU64 = AtomicU64::new(u64::MAX);
    if USUAL.load(Ordering::Relaxed) == found.dev() {
        return Ok(());
    }
    /// The numbers of the kernel's own file systems (`linux/magic.h`).
    const KERNELS_OWN: [u64; 15] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x6265_6570, // configfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0xcafe_4a11, // bpf
        0x6165_676c, // pstore
        0xde5e_81e4, // efivarfs
        0xf97c_ff8c, // selinuxfs
        0x4249_4e4d, // binfmt_misc
        0x6e73_6673, // nsfs
        0x6573_5543, // fusectl
    ];
    // What cannot be asked is none of them.
    let kind = rustix::fs::fstatfs(file).map_or(0, |found| found.f_type as u64);
    match KERNELS_OWN.contains(&(kind & 0xffff_ffff)) {
        true => Err(io::Error::other(
            "it is on a file system of the kernel's own, such as /proc",
        )),
        false => {
            USUAL.store(found.dev(), Ordering::Relaxed);
            Ok(())
        }
    }
}

/// Elsewhere there is no `/proc`.
#[cfg(not(target_os = "linux"))]
fn check_file_system(_file: &File, _found: &std::fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests arrange files")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR).expect("a pipe");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/proc/self/environ", &link).expect("a link");
        for path in [
            Path::new("/dev/zero"),
            Path::new("/dev/null"),
            Path::new("/proc/kmsg"),
            Path::new("/proc/self/environ"),
            Path::new("/sys/kernel/notes"),
            directory.path(),
            &pipe,
            &link,
        ] {
            let read = read(path, LARGEST_CONFIG);
            assert!(read.is_err(), "{}: {read:?}", path.display());
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_no_further() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "1234").expect("written");
        assert_eq!(read(&path, 4).expect("read"), b"1234");
        let error = read(&path, 3).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
