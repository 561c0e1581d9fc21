//! Tells a file in memory from one on a disk, by the type of its file system.

use std::os::fd::AsFd;

use rustix::io;

/// Whether the open file lies on a file system that is memory: tmpfs or ramfs.
/// Elsewhere than on Linux kb knows of none.
///
/// # Errors
/// When the file system cannot be asked.
#[cfg(target_os = "linux")]
pub fn in_memory(file: impl AsFd) -> io::Result<bool> {
    // include/uapi/linux/magic.h
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    let kind = rustix::fs::fstatfs(file)?.f_type;
    // The field's width differs from one architecture to another; the magic
    // numbers have 32 bits.
    let kind = kind as u32;
    Ok(kind == TMPFS || kind == RAMFS)
}

/// Whether the open file lies on a file system that is memory: none that kb
/// knows of here.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn in_memory(_file: impl AsFd) -> io::Result<bool> {
    Ok(false)
}
